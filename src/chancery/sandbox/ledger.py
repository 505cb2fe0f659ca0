"""What a simulated CA was really asked to do: the judge of *never lost, never doubled*."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """One paid or lasting act: `kind` is order, reissue, duplicate, revoke or cancel.

    `reference` is the client's own, where the CA has a field for it; '' where the client sent none. `csr_sha256` is
    the SHA-256 (hex) of the request's DER, `spki_sha256` that of its public key.
    """

    seq: int
    at: str
    kind: str
    order: str
    reference: str
    spki_sha256: str
    detail: str = ""
    csr_sha256: str = ""


class Ledger:
    """Append-only; also written to a file, a line each, when one is given."""

    def __init__(self, path: Path | None = None) -> None:
        self._lines: list[Line] = []
        self._references: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._path, self._kept = path, 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        at: datetime,
        kind: str,
        *,
        order: str,
        reference: str = "",
        spki_sha256: str = "",
        csr_sha256: str = "",
        detail: str = "",
    ) -> None:
        """Append one line."""
        with self._lock:
            when, seq = at.isoformat(), len(self._lines) + 1
            line = Line(seq, when, kind, order, reference, spki_sha256, detail, csr_sha256)
            self._lines.append(line)
            if kind == "order":
                self._references.update([reference] if reference else [])
                self._requests.update([csr_sha256] if csr_sha256 else [])
            if self._path is not None:
                self._keep(self._path)

    def _keep(self, path: Path) -> None:
        """Write the lines that the file lacks, each wholly or not at all: on a full disk they wait for the next one.

        What the CA has done stands, whether or not its file has room.
        """
        with suppress(OSError), path.open("ab", buffering=0) as file:
            for line in self._lines[self._kept :]:
                before, raw = file.tell(), (json.dumps(asdict(line)) + "\n").encode()
                if file.write(raw) != len(raw):
                    file.truncate(before)
                    return
                self._kept += 1

    def lines(self, kind: str | None = None) -> list[Line]:
        """Return the lines, of one kind where given."""
        with self._lock:
            return [line for line in self._lines if kind is None or line.kind == kind]

    def orders_by_reference(self) -> Counter[str]:
        """Return client reference → number of orders; more than one is a double. Orders without one do not count."""
        with self._lock:
            return self._references.copy()

    def orders_by_csr(self) -> Counter[str]:
        """Return SHA-256 of the request → number of orders, also for clients that send no reference."""
        with self._lock:
            return self._requests.copy()
