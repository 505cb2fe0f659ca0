"""Registers the app's tables."""

from django.apps import AppConfig


class BotsConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.bots"
    label = "bots"
