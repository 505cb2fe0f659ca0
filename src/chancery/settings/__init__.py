"""Django's settings, made from `CHANCERY_*` environment variables (see docs/reference/settings.md)."""

from __future__ import annotations

from chancery.settings.base import *  # noqa: F403  Django reads module attributes
