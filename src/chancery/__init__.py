"""Chancery: one console, API and engine for every certificate authority an organisation uses."""

__version__ = "0.1.0"
