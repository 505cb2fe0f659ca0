"""The names a certificate may carry (RFC 5280 section 4.2.1.6), parsed strictly and kept canonical."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import idna

from chancery.core.errors import Invalid
from chancery.core.lean import Lean

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}\Z")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[!-~]{1,500}\Z")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_MAX_DNS = 253
KINDS = ("dns", "ip", "email", "uri")


@dataclass(frozen=True, slots=True, order=True)
class Name(Lean):
    """One subject alternative name: `kind` is dns, ip, email or uri; `value` is canonical."""

    kind: str
    value: str

    @property
    def is_wildcard(self) -> bool:
        """Say whether this is a DNS wildcard."""
        return self.value.startswith("*.")


def parse_name(text: str, kind: str | None = None) -> Name:
    """Return the name that `text` writes; the kind is guessed where it is not given. Raises `Invalid`."""
    if not text or len(text) > 600 or not text.isprintable():
        raise _bad(text, "it is empty, too long or holds characters that cannot be seen")
    kind = kind or _guess(text)
    if kind not in KINDS:
        raise _bad(text, f"there is no kind of name {kind!r}", f"The kinds are {', '.join(KINDS)}.")
    return Name(kind, _PARSERS[kind](text))


def canonical(names: Iterable[Name]) -> tuple[Name, ...]:
    """Return the names sorted, each once."""
    return tuple(sorted(set(names)))


def _guess(text: str) -> str:
    if "://" in text:
        return "uri"
    if "@" in text:
        return "email"
    try:
        ip_address(text)
    except ValueError:
        return "dns"
    return "ip"


@lru_cache(maxsize=4096)
def _dns(text: str) -> str:
    if text.endswith("."):
        raise _bad(text, "it ends in a dot", "Leave the dot at the end out.")
    host = text.removeprefix("*.")
    ascii_host = host.lower() if host.isascii() else _to_ascii(text, host)
    labels = ascii_host.split(".")
    if len(ascii_host) > _MAX_DNS or not all(_LABEL.match(label) for label in labels):
        raise _bad(text, "a DNS name has labels of letters, digits and hyphens, 63 long at most")
    if _NUMBER.match(labels[-1]):
        raise _bad(text, "its last label is a number, so it looks like an address", "Ask for it as an IP address.")
    for label in labels:
        if label[2:4] == "--":
            _to_unicode(text, label)
    if text.startswith("*."):
        if len(labels) < 2:
            raise _bad(text, "a wildcard needs at least two labels after the star")
        return f"*.{ascii_host}"
    return ascii_host


def _to_ascii(text: str, host: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except idna.IDNAError:
        raise _bad(text, "it is no internationalised name (IDNA 2008)") from None


def _to_unicode(text: str, label: str) -> None:
    try:
        idna.decode(label)
    except idna.IDNAError:
        raise _bad(text, f"the label {label!r} is no valid punycode") from None


def _ip(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise _bad(text, "it is no IP address") from None
    if "%" in text:
        raise _bad(text, "it names a network interface of one machine", "Leave out the % and what follows.")
    return str(address)


def _email(text: str) -> str:
    local, at, host = text.rpartition("@")
    if not at or not _EMAIL.match(local) or host.startswith("*"):
        raise _bad(text, "it is no e-mail address")
    return f"{local}@{_dns(host)}"


def _uri(text: str) -> str:
    if not _URI.match(text):
        raise _bad(text, "it is no absolute URI in plain ASCII")
    return text


_PARSERS: dict[str, Callable[[str], str]] = {"dns": _dns, "ip": _ip, "email": _email, "uri": _uri}


def _bad(text: str, why: str, remedy: str = "Correct the name or leave it out.") -> Invalid:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:80])
    return Invalid.one("names", f"The name {shown!r} cannot be used: {why}.", remedy, "bad_name")
