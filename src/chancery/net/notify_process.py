"""The process that sends a notice: one request as JSON on standard input, one answer on standard output.

The library knows some two hundred services, so it is kept from everything but them: connections are judged as `apart`
says, no program is started, the system log is not written, and files are read only where programs and public roots lie,
since addresses may name key files.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chancery.net.addresses import AddressPolicy
from chancery.net.apart import guard

_LONGEST = 500
_REFUSED = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "syslog.", "ctypes.dlopen")
_READABLE = tuple(
    str(Path(place).resolve())
    for place in (
        sys.prefix,
        sys.base_prefix,
        sysconfig.get_path("stdlib"),
        Path(__file__).parents[2],
        "/usr",
        "/etc/ssl",
    )
)
_HARMLESS = frozenset({"/dev/null", "/dev/urandom", "/etc/mime.types", "/etc/localtime", "/etc/timezone"})


class Refused(PermissionError):
    """Something that sending a message does not take."""


def main() -> None:  # pragma: no cover  runs in a process of its own; the tests look at what it answers
    """Answer one request."""
    asked = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr
    importlib.import_module("apprise")  # which loads libraries of the system, before that is refused
    refusals = guard(AddressPolicy(tuple(asked["networks"])), datagrams=True)
    sys.addaudithook(judge)
    json.dump(answer(asked, refusals), out)


def judge(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise `Refused` for what the library must not do here (events of PEP 578)."""
    if event.startswith(_REFUSED):
        raise Refused(event)
    if event == "open" and not _may_open(arguments[0], arguments[1], arguments[2]):
        raise Refused("a file")


def _may_open(path: Any, mode: Any, flags: Any) -> bool:
    if isinstance(path, int) or path is None:
        return True
    text = str(Path(str(path) if not isinstance(path, bytes) else path.decode(errors="replace")).resolve())
    if text in _HARMLESS:
        return True
    writes = set(str(mode or "")) & set("wax+") or (isinstance(flags, int) and flags & 0x3)
    return not writes and text.startswith(tuple(f"{place}/" for place in _READABLE))


def answer(asked: dict[str, Any], refusals: Sequence[str] = ()) -> dict[str, str]:
    """Send the message, or look at the address alone; `refusals` are those of the address guard."""
    import apprise

    asset = apprise.AppriseAsset(storage_mode="memory", plugin_paths=None, async_mode=False, secure_logging=True)
    asset.http_redirects = False
    asset.pem_autogen = asset.pgp_autogen = False
    service = apprise.Apprise(asset=asset)
    log = _Log()
    try:
        if not service.add(asked["url"]):
            return {"kind": "other", "text": "The address is none that is understood. " + log.text}
        if asked["act"] == "check" or service.notify(title=asked["title"], body=asked["body"], body_format="text"):
            return {"kind": "ok", "text": ""}
        if refusals:
            return {"kind": "guard", "text": refusals[0][:_LONGEST]}
        return {"kind": "away", "text": f"The service did not take it. {log.text}"[:_LONGEST]}
    except Exception as error:  # whatever one of two hundred plug-ins raises becomes a sentence
        return {"kind": "other", "text": f"{type(error).__name__}: {error}"[:_LONGEST]}
    finally:
        log.close()


class _Log(logging.Handler):
    """Hears why, since the library itself only says whether."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: list[str] = []
        self._logger = logging.getLogger("apprise")
        self._before = self._logger.level, self._logger.propagate
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(record.getMessage())

    @property
    def text(self) -> str:
        """Return what was said, as one line."""
        return " ".join(" ".join(self._lines).split())[:_LONGEST]

    def close(self) -> None:
        """Leave the library's log as it was."""
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before[0])
        self._logger.propagate = self._before[1]
        super().close()


if __name__ == "__main__":  # pragma: no cover  as main
    main()
