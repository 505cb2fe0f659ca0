"""Registers the app's tables."""

from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.connectors"
    label = "connectors"
