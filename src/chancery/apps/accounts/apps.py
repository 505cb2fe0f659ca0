"""Registers the app's tables."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.accounts"
    label = "accounts"
