"""Registers the app's tables."""

from django.apps import AppConfig


class RenewalsConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.renewals"
    label = "renewals"
