"""Registers the app's tables."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.orders"
    label = "orders"
