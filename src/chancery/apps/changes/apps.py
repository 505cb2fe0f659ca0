"""Registers the app's tables."""

from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.changes"
    label = "changes"
