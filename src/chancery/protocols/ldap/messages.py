"""The messages of LDAP that a reader needs (RFC 4511 section 4), by the structures of pyasn1-modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyasn1.codec.ber.decoder import decode
from pyasn1.codec.der.encoder import encode
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pyasn1_modules import rfc2251

SASL_IN_PROGRESS, SUCCESS, REFERRAL = 14, 0, 10
START_TLS = "1.3.6.1.4.1.1466.20037"
_PAGED, _DESCRIPTOR = "1.2.840.113556.1.4.319", "1.2.840.113556.1.4.801"
_OWNER_GROUP_DACL = 0x7
BASE, ONE_LEVEL, SUBTREE = 0, 1, 2
_WORD = 0xFFFF_FFFF


class Malformed(ValueError):
    """The bytes are no message of LDAP."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its name, and its values by attribute (lower-case names)."""

    dn: str
    values: Mapping[str, tuple[bytes, ...]]

    def all(self, name: str) -> tuple[bytes, ...]:
        """Return every value of an attribute; () where there is none."""
        return self.values.get(name.lower(), ())

    def raw(self, name: str) -> bytes:
        """Return the first value of an attribute; b'' where there is none."""
        return next(iter(self.all(name)), b"")

    def text(self, name: str) -> str:
        """Return the first value as text."""
        return self.raw(name).decode("utf-8", "replace")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return every value as text."""
        return tuple(value.decode("utf-8", "replace") for value in self.all(name))

    def number(self, name: str) -> int:
        """Return the first value as an unsigned number of 32 bits, as directories print flags as signed ones; 0 for none."""
        text = self.text(name)
        digits = text.removeprefix("-")
        return int(text) & _WORD if digits.isascii() and digits.isdigit() and len(digits) <= 20 else 0


@dataclass(frozen=True, slots=True)
class Received:
    """One message: which operation it is, its content, and the cookie of a paged search (b'' at its end)."""

    number: int
    kind: str
    content: Any
    cookie: bytes = b""

    @property
    def code(self) -> int:
        """Return the result code (RFC 4511 appendix A)."""
        return int(self.content["resultCode"])

    @property
    def text(self) -> str:
        """Return the server's own words."""
        return bytes(self.content["errorMessage"]).decode("utf-8", "replace")

    @property
    def token(self) -> bytes | None:
        """Return the login's token in the answer to a bind."""
        found = self.content["serverSaslCreds"]
        return bytes(found) if found.hasValue() else None


def bind(number: int, token: bytes) -> bytes:
    """Return a bind by SASL with the mechanism GSS-SPNEGO (MS-ADTS section 5.1.1.1.2)."""
    made = _message(number)
    asked = made["protocolOp"]["bindRequest"]
    asked["version"], asked["name"] = 3, b""
    asked["authentication"]["sasl"]["mechanism"] = b"GSS-SPNEGO"
    asked["authentication"]["sasl"]["credentials"] = token
    return bytes(encode(made))


def extended(number: int, oid: str) -> bytes:
    """Return an extended request without a value."""
    made = _message(number)
    made["protocolOp"]["extendedReq"]["requestName"] = oid.encode()
    return bytes(encode(made))


@dataclass(frozen=True, slots=True)
class Question:
    """A search. `equal` is (attribute, value); '' as value asks for whatever has the attribute."""

    base: str
    scope: int
    equal: tuple[str, str]
    attributes: Sequence[str]
    descriptors: bool = False


def search(number: int, asked: Question, page: int, cookie: bytes) -> bytes:
    """Return a paged search (RFC 2696). Of security descriptors the part is asked for that everybody may read."""
    made = _message(number)
    request = made["protocolOp"]["searchRequest"]
    request["baseObject"], request["scope"], request["derefAliases"] = asked.base.encode(), asked.scope, 0
    request["sizeLimit"], request["timeLimit"], request["typesOnly"] = 0, 0, False
    attribute, value = asked.equal
    if value:
        request["filter"]["equalityMatch"]["attributeDesc"] = attribute.encode()
        request["filter"]["equalityMatch"]["assertionValue"] = value.encode()
    else:
        request["filter"]["present"] = attribute.encode()
    for place, name in enumerate(asked.attributes):
        request["attributes"][place] = name.encode()
    wanted = univ.Sequence()
    wanted[0], wanted[1] = univ.Integer(page), univ.OctetString(cookie)
    _control(made, _PAGED, wanted)
    if asked.descriptors:
        part = univ.Sequence()
        part[0] = univ.Integer(_OWNER_GROUP_DACL)
        _control(made, _DESCRIPTOR, part)
    return bytes(encode(made))


def _message(number: int) -> Any:
    made = rfc2251.LDAPMessage()
    made["messageID"] = number
    return made


def _control(message: Any, oid: str, value: Any) -> None:
    made = rfc2251.Control()
    made["controlType"], made["criticality"], made["controlValue"] = oid.encode(), True, encode(value)
    message["controls"][len(message["controls"]) if message["controls"].hasValue() else 0] = made


def read(content: bytes) -> Received:
    """Return the message that these bytes are; raises `Malformed`."""
    try:
        message, rest = decode(content, asn1Spec=rfc2251.LDAPMessage())
        if rest:
            raise Malformed("something follows the message")
        kind = str(message["protocolOp"].getName())
        return Received(int(message["messageID"]), kind, message["protocolOp"][kind], _cookie(message))
    except (PyAsn1Error, TypeError, IndexError, KeyError) as error:
        raise Malformed(f"it is no message of LDAP ({type(error).__name__})") from None


def entry(received: Received) -> Entry:
    """Return the entry of a search's result."""
    found: dict[str, tuple[bytes, ...]] = {}
    for one in received.content["attributes"]:
        found[bytes(one["type"]).decode("utf-8", "replace").lower()] = tuple(bytes(value) for value in one["vals"])
    return Entry(bytes(received.content["objectName"]).decode("utf-8", "replace"), found)


def _cookie(message: Any) -> bytes:
    for one in message["controls"] if message["controls"].hasValue() else ():
        if bytes(one["controlType"]) == _PAGED.encode():
            value, _ = decode(bytes(one["controlValue"]))
            return bytes(value[1])
    return b""
