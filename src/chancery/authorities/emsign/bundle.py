"""The certificate out of an answer: known by its key, since neither order nor the fields beside it can be relied on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chancery.authorities.emsign.trust import warnings_of
from chancery.core import pem
from chancery.core.certificate import facts, spki_of
from chancery.core.errors import Invalid
from chancery.sdk.authority import Request
from chancery.sdk.outcome import Issued


def certificates(texts: Iterable[object]) -> list[bytes]:
    """Return the DER of every certificate in some PEM texts, each once; what cannot be read is left out."""
    found: list[bytes] = []
    for text in texts:
        if isinstance(text, str):
            found += _blocks(text)
    return list(dict.fromkeys(found))


def certificates_in(answer: dict[str, Any]) -> list[bytes]:
    """Return the certificates of a V2 download."""
    chain = answer.get("chainPem")
    return certificates([answer.get("certificatePem"), *(chain if isinstance(chain, list) else [chain])])


def _blocks(text: str) -> list[bytes]:
    try:
        return [der for label, der in pem.split(text.encode("utf-8", "replace")) if label == "CERTIFICATE"]
    except Invalid:
        return []


def pick(ders: list[bytes], request: Request, reference: str) -> Issued | None:
    """Return the certificate for the request's key with all others as its chain; None where there is none."""
    return _issued(next((d for d in ders if spki_of(d) == request.spki_sha256), None), ders, reference)


def foreign(ders: list[bytes], reference: str) -> Issued | None:
    """Return what came although it is for another key, for the engine to quarantine; None where nothing can be read."""
    return _issued(leaf_of(ders), ders, reference)


def leaf_of(ders: list[bytes]) -> bytes | None:
    """Return the first certificate that is no CA's."""
    return next((d for d in ders if not _is_ca(d)), None)


def _issued(leaf: bytes | None, ders: list[bytes], reference: str) -> Issued | None:
    if leaf is None:
        return None
    chain = tuple(d for d in ders if d != leaf)
    return Issued(leaf, chain, reference, warnings_of(leaf, chain))


def _is_ca(der: bytes) -> bool:
    try:
        return facts(der).is_ca
    except Invalid:
        return True
