"""Registers the app's tables."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.profiles"
    label = "profiles"
