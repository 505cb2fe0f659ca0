"""Registers the app's tables."""

from django.apps import AppConfig


class PostureConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.posture"
    label = "posture"
