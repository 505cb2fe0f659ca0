"""Registers the console's templates and static files."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Django's view of this room."""

    name = "chancery.doors.console"
    label = "console"
