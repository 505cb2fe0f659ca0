"""Which languages pages can have."""

from django.conf.locale import LANG_INFO


def language(name: str, text: str) -> str:
    """Return the code of a language, also with a region of its own; one that is none stops the start with its name."""
    code = text.lower()
    if not {code, code.partition("-")[0]} & LANG_INFO.keys():
        raise SystemExit(f"{name}: {text!r} is no language of pages; write one like en or pt-br.")
    return text
