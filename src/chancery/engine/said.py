"""Makes what an authority said fit to be stored, shown and logged.

A plug-in may quote anything: the secret it was given, or characters that a table refuses (PostgreSQL takes no NUL,
neither database a lone surrogate). Texts are mended here, once, so that no answer is lost for how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chancery.core.secret import Secret
from chancery.engine.jobs import Answered, Bad, Entry, Failed, Fetched, Good, Missing, Result, Taken, Waiting
from chancery.net.redact import scrub
from chancery.sdk.outcome import Pending, RevocationPending, Revoked

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def fit(result: Result, secrets: Iterable[Secret] = ()) -> Result:
    """Return `result` with every text free of `secrets` and of characters that cannot be stored."""
    return _Mender(tuple(secrets)).result(result)


def storable(value: Any) -> Any:
    """Return a JSON value with U+FFFD in place of every character that a table refuses."""
    if isinstance(value, str):
        return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {storable(k): storable(v) for k, v in value.items()}
    return [storable(v) for v in value] if isinstance(value, list | tuple) else value


class _Mender:
    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def _text(self, text: str) -> str:
        return str(storable(scrub(text, self._secrets))) if text else text

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(k)): self._value(v) for k, v in value.items()}
        return [self._value(v) for v in value] if isinstance(value, list | tuple) else value

    def result(self, result: Result) -> Result:
        """Mend the texts that this kind of result has; opaque state only loses what cannot be stored."""
        if isinstance(result, Good):
            return replace(result, reference=storable(result.reference), evidence=self._text(result.evidence))
        if isinstance(result, Waiting):
            return Waiting(self._pending(result.pending), self._text(result.evidence))
        if isinstance(result, Failed):
            return self._failed(result)
        if isinstance(result, Answered):
            return Answered(self._value(result.result), result.fault and self._failed(result.fault))
        return self._other(result)

    def _other(self, result: Result) -> Result:
        if isinstance(result, Bad):
            return replace(
                result,
                problems=tuple(self._text(p) for p in result.problems),
                reference=storable(result.reference),
            )
        if isinstance(result, Missing):
            return Missing(self._text(result.evidence))
        if isinstance(result, Revoked):
            return Revoked(self._text(result.text))
        if isinstance(result, RevocationPending):
            return replace(result, state=storable(result.state), text=self._text(result.text))
        if isinstance(result, Taken):
            return replace(result, entries=tuple(map(self._entry, result.entries)), cursor=storable(result.cursor))
        if isinstance(result, Fetched):
            return replace(result, reference=storable(result.reference), evidence=self._text(result.evidence))
        return result

    def _entry(self, entry: Entry) -> Entry:
        return replace(
            entry,
            marks=replace(entry.marks, issuer=self._text(entry.marks.issuer)),
            reference=storable(entry.reference),
            common_name=self._text(entry.common_name),
            names=tuple(map(self._text, entry.names)),
            text=self._text(entry.text),
        )

    def _pending(self, pending: Pending) -> Pending:
        return replace(
            pending,
            state=storable(pending.state),
            text=self._text(pending.text),
            reference=storable(pending.reference),
        )

    def _failed(self, failed: Failed) -> Failed:
        return replace(
            failed,
            message=self._text(failed.message),
            code=self._text(failed.code),
            text=self._text(failed.text),
            remedy=self._text(failed.remedy),
        )
