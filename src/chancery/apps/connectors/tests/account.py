"""Settings of an account at an outside CA that nobody calls."""

API_KEY = "canary-4f1d9c-key"
COMMON = {"team": "Operations", "environment": "Production"}


def values(**more):
    """Return what a person fills in, with some fields as `more` says; None leaves one out."""
    whole = {"name": "Public CA", "base_url": "https://ca.example.com/v2", "api_key": API_KEY, **COMMON, **more}
    return {name: value for name, value in whole.items() if value is not None}
