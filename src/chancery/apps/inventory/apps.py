"""Registers the app's tables."""

from django.apps import AppConfig


class InventoryConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.inventory"
    label = "inventory"
