"""Registers the app's tables."""

from django.apps import AppConfig


class HealthConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.health"
    label = "health"
