"""Takes secrets out of texts before anybody sees them.

First by value: every secret that a door was given, in the forms in which it travels. Then by look: headers and
assignments that usually carry one, private keys, passwords inside URLs.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterable
from functools import lru_cache
from itertools import product
from typing import Any
from urllib.parse import quote, quote_plus

from chancery.core.secret import MASK, Secret

_MIN = 4
"""Characters; replacing anything shorter would only garble texts."""
_CUT = 6
"""Characters of a secret that count as its beginning, where a text ends with them; fewer are often a word's."""
_LONG = 8
"""Characters from which on a secret is looked for in other capitals too; a shorter one is often a word."""

_WHOLE = r"(?:(?:proxy-)?authorization|(?:set-)?cookie)"
_WORDS = r"(?:x-dc-devkey|x-api-key|api[_-]?key|passw(?:or)?d|passphrase|pwd|token|secret|credential)"
_NAME = rf"\b[\w.-]{{0,40}}?(?:{_WHOLE}|{_WORDS})"
_LOOKS = (
    # 'password': 'x'   {"token": "x"}   (b'Cookie', b'x')   password="x"
    (re.compile(rf"""(?i)({_NAME}\\?['"]?\s*[:=,]\s*(?:b?\\?(['"])))(?:\\.|(?!\2).)*""", re.DOTALL), rf"\1{MASK}"),
    # Authorization: Bearer x      Cookie: a=b; c=d      to the end of the line
    (re.compile(rf"(?i)(\b{_WHOLE}\s*[:=]\s*)(?![\s'\"]|b['\"])[^\r\n]+"), rf"\1{MASK}"),
    # password=x&…    token: x
    (re.compile(rf"""(?i)({_NAME}\s*[:=]\s*)(?![\s'"]|b['"])[^\s'",;&<>}})\]]+"""), rf"\1{MASK}"),
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,200}:)[^\s/@]+(?=@)"), rf"\1{MASK}"),
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        f"{MASK} (private key)",
    ),
)


def scrub(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Return `text` without the secrets in any of their usual forms, and without what looks like one."""
    return _scrub(text, frozenset(secret.reveal() for secret in secrets))


def _scrub(text: str, values: frozenset[str]) -> str:
    for form in _all_forms(values):
        text = text.replace(form, MASK)
    text = _without_cut_end(text, values)
    for look, mask in _LOOKS:
        text = look.sub(mask, text)
    return text


def _without_cut_end(text: str, values: frozenset[str]) -> str:
    """Return a text without the beginning of a secret at its end: whoever cuts first and scrubs then leaves one there."""
    end = text[-_CUT:]
    at = len(text)
    for form in _all_forms(values) if len(end) == _CUT else ():
        found = form.find(end)
        while found >= 0:
            begin = found + _CUT
            if begin < len(form) and text.endswith(form[:begin]):
                at = min(at, len(text) - begin)
            found = form.find(end, found + 1)
    return text if at == len(text) else text[:at] + MASK


@lru_cache(maxsize=512)
def _all_forms(values: frozenset[str]) -> tuple[str, ...]:
    """Return every form of every secret, the longest first. One pattern of them all takes long to compile for a key."""
    forms = {form for value in values if len(value) >= _MIN for form in _forms(value)}
    return tuple(sorted(forms, key=len, reverse=True))


@lru_cache(maxsize=512)
def _forms(value: str) -> frozenset[str]:
    """Return the forms of one secret; doors share theirs in ever other company."""
    raw = value.encode()
    # Some debug pages hide a key by turning it round.
    told = {value, value[::-1], html.escape(value), html.escape(value, quote=False)}
    forms = told | {
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        raw.hex(),
        repr(value)[1:-1],
        repr(raw)[2:-1],
    }
    for one, ascii_alone in product(told, (True, False)):
        # An error in JSON may hold a whole request, which was XML, or JSON itself.
        once = json.dumps(one, ensure_ascii=ascii_alone)[1:-1]
        forms |= {once, json.dumps(once, ensure_ascii=ascii_alone)[1:-1]}
    if len(value) >= _LONG:
        # Some servers fold what they echo.
        forms |= {value.lower(), value.upper(), raw.hex().upper()}
    return frozenset(forms | _base64_forms(raw))


def _base64_forms(raw: bytes) -> set[str]:
    """Return how a secret looks inside a longer Base64 text, such as Basic's user:password, at each of 3 offsets."""
    found = set()
    for offset in range(3):
        code = base64.b64encode(b"\0" * offset + raw).decode()
        core = code[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        found |= {core, core.replace("+", "-").replace("/", "_")}
    return found


_known: set[str] = set()
_known_frozen: frozenset[str] = frozenset()
_lock = threading.Lock()


def register(secrets: Iterable[Secret]) -> None:
    """Make secrets known to the log filter, for as long as the process lives."""
    global _known_frozen  # noqa: PLW0603  one set per process, like the logging it serves
    with _lock:
        _known.update(secret.reveal() for secret in secrets)
        _known_frozen = frozenset(_known)


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RedactingFilter(logging.Filter):
    """Scrubs every record: message with its arguments, traceback, stack, and extra fields, however nested."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub in place; every record is kept."""
        record.msg, record.args = _scrub(_message(record), _known_frozen), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_info = None
        if record.exc_text:
            record.exc_text = _scrub(record.exc_text, _known_frozen)
        if record.stack_info:
            record.stack_info = _scrub(record.stack_info, _known_frozen)
        for name in vars(record).keys() - _STANDARD:
            setattr(record, name, scrub_value(getattr(record, name)))
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args}"


def scrub_value(value: Any) -> Any:
    """Return a value with every text and byte string in it scrubbed of what `register` knows."""
    if isinstance(value, str):
        return _scrub(value, _known_frozen)
    if isinstance(value, bytes | bytearray):
        return _scrub(bytes(value).decode("utf-8", "backslashreplace"), _known_frozen)
    if isinstance(value, dict):
        return {scrub_value(k): scrub_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [scrub_value(v) for v in value]
    return value
