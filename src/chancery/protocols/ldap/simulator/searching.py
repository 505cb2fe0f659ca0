"""Searches (RFC 4511 section 4.5) with pages (RFC 2696), and security descriptors by Windows' own control (MS-ADTS 3.1.1.3.4.1.11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chancery.protocols.ldap.simulator import ber
from chancery.sandbox.der import Part, read_one

if TYPE_CHECKING:
    from chancery.protocols.ldap.simulator.service import Kept

_NO_OBJECT, _UNWILLING = 32, 53
_BASE, _ONE = 0, 1
_EQUAL, _PRESENT = 0xA3, 0x87
_PAGED, _DESCRIPTORS = b"1.2.840.113556.1.4.319", b"1.2.840.113556.1.4.801"
_ENTRY = 0x64
_DESCRIPTOR, _ON_DEMAND = "ntsecuritydescriptor", frozenset({"tokengroups"})
_WITH_AUDIT = 8


@dataclass
class Answer:
    """Entries and controls, marshalled, and the result code."""

    code: int = 0
    entries: list[bytes] = field(default_factory=list)
    controls: list[bytes] = field(default_factory=list)


def answer(kept: list[Kept], parts: list[Part], controls: list[Part], now: Any) -> Answer:
    """Return a page of what a search finds among the entries that are kept."""
    base, scope, condition = parts[0].inside.decode(), ber.whole(parts[1]), parts[6]
    wanted = {part.inside.decode().lower() for part in parts[7].parts()}
    asked = {one.parts()[0].inside: one.parts()[-1].inside for one in controls}
    if condition.tag not in {_EQUAL, _PRESENT}:
        return Answer(_UNWILLING)
    if base and not any(one.dn.casefold() == base.casefold() for one in kept):
        return Answer(_NO_OBJECT)
    found = [one for one in kept if _within(one.dn, base, scope) and _fits(one, condition)]
    made = Answer()
    start, most = 0, len(found)
    if _PAGED in asked:
        size, cookie = read_one(asked[_PAGED]).parts()
        start, most = int(cookie.inside or b"0"), min(ber.whole(size), now.ldap_page)
        rest = start + most < len(found)
        value = ber.wide(0x30, ber.number(0), ber.octets(str(start + most) if rest else ""))
        made.controls.append(ber.wide(0x30, ber.octets(_PAGED), ber.octets(value)))
    shows = _DESCRIPTORS in asked and not now.hide_descriptors and _part(asked[_DESCRIPTORS]) < _WITH_AUDIT
    made.entries += [_entry(one, wanted, shows=shows) for one in found[start : start + most]]
    return made


def _part(control: bytes) -> int:
    """Return which parts of a descriptor are asked for: the audit list is not for everybody, nor is all without a word."""
    return ber.whole(read_one(control).parts()[0])


def _within(dn: str, base: str, scope: int) -> bool:
    low, root = dn.casefold(), base.casefold()
    if scope == _BASE:
        return low == root
    if not dn or not root:
        return False
    below = low.endswith(f",{root}")
    return (below and "," not in low.removesuffix(f",{root}")) if scope == _ONE else (below or low == root)


def _fits(one: Kept, condition: Part) -> bool:
    if condition.tag == _PRESENT:
        return condition.inside.decode().lower() == "objectclass" or bool(
            _values(one, condition.inside.decode().lower())
        )
    attribute, value = (part.inside for part in condition.parts())
    return value.decode().casefold() in {v.decode().casefold() for v in _values(one, attribute.decode().lower())}


def _values(one: Kept, attribute: str) -> list[bytes]:
    values = next((values for name, values in one.values.items() if name.lower() == attribute), ())
    return [value.encode() if isinstance(value, str) else value for value in values]


def _entry(one: Kept, wanted: set[str], *, shows: bool) -> bytes:
    shown = [
        name
        for name in one.values
        if (name.lower() in wanted or (not wanted and name.lower() not in _ON_DEMAND))
        and (name.lower() != _DESCRIPTOR or shows)
    ]
    attributes = [
        ber.wide(0x30, ber.octets(name), ber.wide(0x31, *(ber.octets(value) for value in _values(one, name.lower()))))
        for name in shown
    ]
    return ber.wide(_ENTRY, ber.octets(one.dn), ber.wide(0x30, *attributes))
