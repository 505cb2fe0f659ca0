"""Distinguished names, compared as RFC 5280 section 7.1 has it: by their words, however they are encoded."""

from __future__ import annotations

from typing import Any

from pyasn1.codec.der import decoder
from pyasn1_modules import rfc2459

from chancery.protocols.cmp.message import UNREADABLE, decode

_Words = tuple[frozenset[tuple[str, str]], ...]


def same(general: bytes, name: bytes) -> bool:
    """Say whether a GeneralName (DER) is the distinguished name `name` (DER)."""
    found = decode(general, rfc2459.GeneralName())
    if found.getName() != "directoryName":
        return False
    return _words(found["directoryName"][0]) == _words(decode(name, rfc2459.Name())[0])


def _words(relatives: Any) -> _Words:
    return tuple(frozenset((str(a["type"]), _text(bytes(a["value"]))) for a in relative) for relative in relatives)


def _text(value: bytes) -> str:
    try:
        return " ".join(str(decoder.decode(value)[0]).split()).casefold()
    except UNREADABLE:
        return value.hex()
