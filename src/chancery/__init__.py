"""Chancery: one console, API and engine for every certificate authority an organisation uses."""
