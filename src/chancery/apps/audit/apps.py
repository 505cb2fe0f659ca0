"""Registers the app's tables."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.audit"
    label = "audit"
