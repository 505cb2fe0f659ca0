"""Registers the app's tables."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.webhooks"
    label = "webhooks"
