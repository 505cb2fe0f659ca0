"""Registers the app's tables."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.notices"
    label = "notices"
