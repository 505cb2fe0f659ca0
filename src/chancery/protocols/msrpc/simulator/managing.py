"""Management: ICertAdminD and ICertAdminD2 (MS-CSRA section 3.1.4)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from chancery.protocols.msrpc.simulator.packing import BadStub, Pull, blob, that
from chancery.protocols.msrpc.simulator.server import BAD_OPNUM, Call, RpcFault
from chancery.protocols.msrpc.simulator.views import View, column_list
from chancery.sandbox.certsrv import BAD_ARGUMENT, Database, Refused, State
from chancery.sandbox.dials import Dials

_DENIED, _UNEXPECTED = 0x80070005, 0x8000FFFF
_OFFICER, _READER = 0x2, 0x103
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_SWITCHES = ("policymodules\\certificateauthority_microsoftdefault.policy", "editflags")
_NO_ENTRY, _LONG = 0x80070002, 3
_COLUMNS, _ENDED, _FAILURE = 100, 1, 0x80000000


class Managing:
    """The faces of management over one CA. Rights are those of the dial, for the account that manages; others have none."""

    def __init__(self, database: Database, dials: Dials, ca: str, manager: str) -> None:
        self._database, self._dials, self._ca, self._manager = database, dials, ca, manager
        self._views: dict[str, View] = {}

    def admin(self, call: Call) -> bytes:
        """Answer one call of ICertAdminD."""
        act = {
            5: self._resubmit,
            6: self._deny,
            7: self._validity,
            10: self._revoke,
            11: self._enum_columns,
            14: self._open_view,
            15: self._enum_view,
            16: self._close_view,
        }.get(call.opnum)
        if act is None:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        pull.this()
        ca = pull.text()
        forced = int(self._dials.now.code or "0", 16)
        return that() + act(call, pull, forced or (0 if ca == self._ca else BAD_ARGUMENT))

    def admin_2(self, call: Call) -> bytes:
        """Answer one call of ICertAdminD2: GetMyRoles, or GetConfigEntry."""
        if call.opnum not in {44, 47}:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        pull.this()
        ca = pull.text()
        code = int(self._dials.now.code or "0", 16) or (0 if ca == self._ca else BAD_ARGUMENT)
        if call.opnum == 47:
            return that() + struct.pack("<II", self._rights(call), code)
        return that() + self._entry(pull, self._may(call, code, _READER))

    def _entry(self, pull: Pull, code: int) -> bytes:
        """Return what the registry of the CA has below its name: the switches of its policy module, and nothing else here."""
        where = (pull.text() or "").casefold(), pull.plain_text().casefold()
        kept = self._dials.now.edit_flags
        if not code and (where != _SWITCHES or kept < 0):
            code = _NO_ENTRY
        empty = struct.pack("<IIIIHHHHI", 0x20000, 0, 3, 0, 0, 0, 0, 0, 0)
        found = struct.pack("<IIIIHHHHII", 0x20000, 0, 3, 0, _LONG, 0, 0, 0, _LONG, max(kept, 0))
        return (empty if code else found) + struct.pack("<I", code)

    def _rights(self, call: Call) -> int:
        return self._dials.now.rights if call.account.casefold() == self._manager.casefold() else 0x200

    def _may(self, call: Call, code: int, right: int) -> int:
        return code or (0 if self._rights(call) & right else _DENIED)

    # Deciding -----------------------------------------------------------------------------------------

    def _resubmit(self, call: Call, pull: Pull, code: int) -> bytes:
        """Succeed even where the request cannot be issued: the disposition tells."""
        number, code = pull.get("I"), self._may(call, code, _OFFICER)
        if code:
            return struct.pack("<II", 0, code)
        try:
            self._database.resubmit(number)
        except Refused as no:
            return struct.pack("<II", no.code, 0)
        call.acted = True
        return struct.pack("<II", 3, 0)

    def _deny(self, call: Call, pull: Pull, code: int) -> bytes:
        number, code = pull.get("I"), self._may(call, code, _OFFICER)
        if not code:
            try:
                self._database.deny(number)
                call.acted = True
            except Refused as no:
                code = no.code
        return struct.pack("<I", code)

    def _validity(self, call: Call, pull: Pull, code: int) -> bytes:
        serial, code = pull.text() or "", self._may(call, code, _READER)
        row = self._database.by_serial(self._stored(serial))
        if row is None:
            return struct.pack("<III", 0, 0, code or BAD_ARGUMENT)
        disposition = 2 if row.state is State.REVOKED else 3
        return struct.pack("<III", row.reason, disposition, code)

    def _revoke(self, call: Call, pull: Pull, code: int) -> bytes:
        serial, reason = pull.text() or "", pull.get("I")
        ticks = pull.get("I") | pull.get("I") << 32
        code = self._may(call, code, _OFFICER)
        if not code:
            try:
                self._database.revoke(self._stored(serial), reason, _EPOCH + timedelta(microseconds=ticks // 10))
                call.acted = True
            except Refused as no:
                code = no.code
        return struct.pack("<I", code)

    def _stored(self, serial: str) -> str:
        """Return the serial as the database has it; '' for another spelling than the one that it keeps."""
        if not self._dials.now.signed_serials:
            return serial
        return serial.removeprefix("00") if serial.startswith("00") else ""

    # Views --------------------------------------------------------------------------------------------

    def _enum_columns(self, call: Call, pull: Pull, code: int) -> bytes:
        first, count = pull.get("I"), pull.get("I")
        code = self._may(call, code, _READER)
        if code or not count:
            return struct.pack("<III", 0, 0, 0) + struct.pack("<I", code or BAD_ARGUMENT)
        number, content, ended = column_list(first, min(count, _COLUMNS), old=self._dials.now.old_columns)
        return struct.pack("<I", number) + blob(content, 1) + struct.pack("<I", _ENDED if ended else 0)

    def _open_view(self, call: Call, pull: Pull, code: int) -> bytes:
        count = pull.get("I")
        if pull.get("I") != count:
            raise BadStub
        heads = [(pull.get("I"), pull.get("I"), pull.get("I"), pull.get("I"), pull.get("I")) for _ in range(count)]
        conditions = []
        for column, seek, order, pointer, size in heads:
            if not pointer or pull.get("I") != size:
                raise BadStub
            conditions.append((column, seek, order, pull.take(size)))
        wanted = pull.get("I")
        if pull.get("I") != wanted:
            raise BadStub
        columns = [pull.get("I") for _ in range(wanted)]
        first, most = pull.get("I"), pull.get("I")
        code = self._may(call, code, _READER) or (_UNEXPECTED if call.target in self._views else 0)
        if code:
            return struct.pack("<III", 0, 0, 0) + struct.pack("<I", code)
        view = View(self._database, conditions, columns, self._dials.now)
        answer = view.page(first, most)
        if not int.from_bytes(answer[-4:], "little") & _FAILURE:
            self._views[call.target] = view
        return answer

    def _enum_view(self, call: Call, pull: Pull, code: int) -> bytes:
        view = self._views.get(call.target)
        first, most = pull.get("I"), pull.get("I")
        if code or view is None:
            return struct.pack("<III", 0, 0, 0) + struct.pack("<I", code or _UNEXPECTED)
        return view.page(first, most)

    def _close_view(self, call: Call, pull: Pull, code: int) -> bytes:
        del pull
        found = self._views.pop(call.target, None)
        return struct.pack("<I", code or (0 if found else _UNEXPECTED))
