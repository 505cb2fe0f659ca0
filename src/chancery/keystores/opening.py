"""Opens the key store that an address names; nothing outside is asked before a key is wrapped or unwrapped."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from chancery.keystores import held
from chancery.keystores.base import KeyStore
from chancery.keystores.hsm import Hsm
from chancery.keystores.kms import Kms
from chancery.keystores.vault import Server, Transit

KINDS = {
    "file": "file:///etc/chancery/kek",
    "env": "env:NAME",
    "credential": "credential:NAME",
    "vault+https": "vault+https://host:8200/transit/KEY?token_file=…&ca_file=…&namespace=…",
    "awskms": "awskms:KEY?region=…",
    "pkcs11": "pkcs11:token=…;object=…?module-path=…&pin-source=…",
}
"""Scheme → how an address of it is written."""


def check(address: str) -> None:
    """Raise `ValueError` with what is wrong with an address."""
    scheme, _, rest = address.partition(":")
    parts = urlsplit(address)
    if scheme == "vault+http":
        scheme = "vault+https"
    if scheme not in KINDS:
        raise ValueError(f"there is no kind of key store {scheme[:20]!r}; write {', '.join(KINDS.values())}")
    options = query(address)
    good = {
        "file": parts.path.startswith("/") and not parts.netloc,
        "env": rest.isidentifier(),
        "credential": bool(rest) and "/" not in rest and rest not in {".", ".."},
        "vault+https": bool(parts.hostname) and "/" in parts.path.strip("/") and not parts.username,
        "awskms": bool(kms_key(address)),
        "pkcs11": {"token", "object"} <= attributes(address).keys() and {"module-path", "pin-source"} <= options.keys(),
    }
    if not good[scheme] or "pin-value" in options:
        raise ValueError(f"it is written {KINDS[scheme]}")


def opened(address: str) -> KeyStore:
    """Return the store of an address that `check` has passed; raises `Unavailable` where a held key is not there."""
    scheme, _, rest = address.partition(":")
    options = query(address)
    if scheme == "file":
        return held.from_file(Path(unquote(urlsplit(address).path)))
    if scheme == "env":
        return held.from_environment(rest)
    if scheme == "credential":
        return held.from_credential(rest)
    if scheme == "awskms":
        return Kms(kms_key(address), options.get("region", ""), options.get("endpoint", ""))
    if scheme == "pkcs11":
        named = attributes(address)
        pin = options["pin-source"].removeprefix("file://").removeprefix("file:")
        return Hsm(options["module-path"], named["token"], named["object"], pin)
    parts = urlsplit(address.removeprefix("vault+"))
    mount, _, name = parts.path.strip("/").rpartition("/")
    return Transit(Server(f"{parts.scheme}://{parts.netloc}", options), unquote(mount), unquote(name))


def query(address: str) -> dict[str, str]:
    """Return the options behind the question mark."""
    return {name: values[-1] for name, values in parse_qs(address.partition("?")[2]).items()}


def attributes(address: str) -> dict[str, str]:
    """Return the path attributes of a PKCS#11 URI (RFC 7512)."""
    path = address.partition(":")[2].partition("?")[0]
    pairs = (part.partition("=") for part in path.split(";"))
    return {name: unquote(value) for name, _, value in pairs if value}


def kms_key(address: str) -> str:
    """Return the key's id, ARN or alias."""
    return unquote(address.partition(":")[2].partition("?")[0]).strip("/")
