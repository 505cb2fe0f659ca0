"""Registers the app's tables."""

from django.apps import AppConfig


class AcmeConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.acme"
    label = "acme"
