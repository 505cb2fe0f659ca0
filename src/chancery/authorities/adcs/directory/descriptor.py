"""Security descriptors: who may enrol from an object, and who may change it (MS-DTYP sections 2.4.2 to 2.4.6, MS-CRTD 2.5)."""

from __future__ import annotations

import struct
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

ENROLL = "0e10c968-78fb-11d2-90d4-00c04f79dc55"
AUTO_ENROLL = "a05b8cc2-17bc-4802-a710-e7c15ab866a2"
"""Control access rights on templates and CAs."""
_ALLOWED, _DENIED, _OBJECT_ALLOWED, _OBJECT_DENIED = 0, 1, 5, 6
_INHERIT_ONLY = 0x8
_HAS_TYPE, _HAS_INHERITED = 0x1, 0x2
_WRITE_PROPERTY, _CONTROL_ACCESS, _WRITE_DACL, _WRITE_OWNER = 0x20, 0x100, 0x4_0000, 0x8_0000
_GENERIC_ALL, _GENERIC_WRITE = 0x1000_0000, 0x4000_0000
_CHANGES = _WRITE_DACL | _WRITE_OWNER | _GENERIC_ALL | _GENERIC_WRITE
_MOST = 2000

EVERYBODY = frozenset({"S-1-1-0", "S-1-5-7", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546"})
"""Everyone, anonymous, authenticated users, users and guests of the machine."""
_BROAD_IN_DOMAIN = frozenset({"513", "514", "515"})
"""The last part of the SIDs of a domain's users, guests and computers."""


class Unreadable(ValueError):
    """The bytes are no security descriptor."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an access list. `right` is the GUID that it is limited to, '' where it is for all of them."""

    allows: bool
    mask: int
    sid: str
    right: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Owner and access list; `entries` None means that there is no list, and that everybody may do everything."""

    owner: str
    entries: tuple[Entry, ...] | None

    def lets(self, sids: AbstractSet[str], right: str) -> bool:
        """Say whether somebody who is all of these has a control access right: the first entry that fits decides."""
        if self.entries is None:
            return True
        for entry in self.entries:
            if entry.sid in sids and entry.right in {"", right} and entry.mask & (_CONTROL_ACCESS | _GENERIC_ALL):
                return entry.allows
        return False

    def broad(self, right: str) -> tuple[str, ...]:
        """Return which of the groups that hold nearly everybody have a control access right."""
        if self.entries is None:
            return ("S-1-1-0",)
        named = dict.fromkeys(entry.sid for entry in self.entries if is_broad(entry.sid))
        return tuple(sid for sid in named if self.lets({sid}, right))

    def broadly_changed(self) -> tuple[str, ...]:
        """Return which of the groups that hold nearly everybody may change the object itself."""
        if self.entries is None:
            return ("S-1-1-0",)
        found = [self.owner] if is_broad(self.owner) else []
        for entry in self.entries:
            writes = entry.mask & _CHANGES or (entry.mask & _WRITE_PROPERTY and not entry.right)
            if entry.allows and writes and is_broad(entry.sid):
                found.append(entry.sid)
        return tuple(dict.fromkeys(found))


def is_broad(sid: str) -> bool:
    """Say whether a SID is a group that holds nearly everybody."""
    return sid in EVERYBODY or (sid.startswith("S-1-5-21-") and sid.rpartition("-")[2] in _BROAD_IN_DOMAIN)


def sid_of(raw: bytes) -> str:
    """Return a SID as text, S-1-…; raises `Unreadable`."""
    if len(raw) < 8 or len(raw) < 8 + 4 * raw[1]:
        raise Unreadable("a SID is cut off")
    parts = struct.unpack_from(f"<{raw[1]}I", raw, 8)
    return "-".join(map(str, ("S", raw[0], int.from_bytes(raw[2:8], "big"), *parts)))


def read(raw: bytes) -> Descriptor:
    """Return a self-relative security descriptor; raises `Unreadable`."""
    try:
        _, _, control, owner, _, _, dacl = struct.unpack_from("<BBHIIII", raw)
        entries = _entries(raw[dacl:]) if dacl and control & 0x4 else None
        return Descriptor(sid_of(raw[owner:]) if owner else "", entries)
    except (struct.error, ValueError) as error:
        raise Unreadable(f"it is no security descriptor: {error}") from None


def _entries(raw: bytes) -> tuple[Entry, ...]:
    _, _, _, count, _ = struct.unpack_from("<BBHHH", raw)
    found, at = [], 8
    for _ in range(min(count, _MOST)):
        kind, flags, size = struct.unpack_from("<BBH", raw, at)
        if size < 8 or at + size > len(raw):
            raise Unreadable("an entry is cut off")
        entry = _entry(kind, raw[at + 4 : at + size])
        if entry is not None and not flags & _INHERIT_ONLY:
            found.append(entry)
        at += size
    return tuple(found)


def _entry(kind: int, body: bytes) -> Entry | None:
    """Return an entry that grants or denies; None for one of another kind, such as for audit."""
    (mask,) = struct.unpack_from("<I", body)
    if kind in {_ALLOWED, _DENIED}:
        return Entry(kind == _ALLOWED, mask, sid_of(body[4:]))
    if kind not in {_OBJECT_ALLOWED, _OBJECT_DENIED}:
        return None
    (flags,) = struct.unpack_from("<I", body, 4)
    at, right = 8, ""
    if flags & _HAS_TYPE:
        right, at = str(UUID(bytes_le=body[at : at + 16])), at + 16
    if flags & _HAS_INHERITED:
        at += 16
    return Entry(kind == _OBJECT_ALLOWED, mask, sid_of(body[at:]), right)
