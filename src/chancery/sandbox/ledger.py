"""What a simulated CA was really asked to do: the judge of *never lost, never doubled*."""

from __future__ import annotations

import json
import threading
from collections import Counter
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
        self._path = path
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
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(line)) + "\n")

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
