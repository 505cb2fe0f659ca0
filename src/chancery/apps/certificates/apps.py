"""Registers the app's tables."""

from django.apps import AppConfig


class CertificatesConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.apps.certificates"
    label = "certificates"
