"""Distinguished names, compared as RFC 5280 section 7.1 has it: by their words, however they are encoded."""

from __future__ import annotations

from typing import Any

from pyasn1.codec.der import decoder
from pyasn1_modules import rfc2459

from chancery.protocols.cmp.message import UNREADABLE, decode

_COMMON = "2.5.4.3"
_Words = tuple[frozenset[tuple[str, str]], ...]


def same(general: bytes, name: bytes) -> bool:
    """Say whether a GeneralName (DER) is the distinguished name `name` (DER)."""
    found = decode(general, rfc2459.GeneralName())
    if found.getName() != "directoryName":
        return False
    return _words(found["directoryName"][0]) == _words(decode(name, rfc2459.Name())[0])


def common(general: bytes) -> str:
    """Return the last common name in a GeneralName (DER); '' where there is none."""
    found = decode(general, rfc2459.GeneralName())
    if found.getName() != "directoryName":
        return ""
    values = [a for relative in found["directoryName"][0] for a in relative if str(a["type"]) == _COMMON]
    return _shown(bytes(values[-1]["value"])) if values else ""


def _words(relatives: Any) -> _Words:
    return tuple(frozenset((str(a["type"]), _text(bytes(a["value"]))) for a in relative) for relative in relatives)


def _text(value: bytes) -> str:
    return " ".join(_shown(value).split()).casefold()


def _shown(value: bytes) -> str:
    try:
        return str(decoder.decode(value)[0])
    except UNREADABLE:
        return value.hex()
