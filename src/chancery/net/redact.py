"""Takes secrets out of texts before anybody sees them."""

from __future__ import annotations

import base64
import json
import logging
import re
import traceback
from collections.abc import Iterable
from urllib.parse import quote

from chancery.core.secret import MASK, Secret

_PATTERNS = re.compile(
    r"(?i)\b(x-dc-devkey|x-api-key|authorization|cookie|set-cookie|password|passwd|token|secret|api[_-]?key)"
    r"(['\"]?\s*[:=]\s*)(bearer\s+|basic\s+)?(['\"]?)[^\s'\",;&}]+",
)
_PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_MIN = 4


def scrub(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Return `text` without the secrets in any of their usual forms, and without what looks like one."""
    for secret in secrets:
        for form in _forms(secret.reveal()):
            text = text.replace(form, MASK)
    text = _PRIVATE.sub(f"{MASK} (private key)", text)
    return _PATTERNS.sub(rf"\1\2{MASK}", text)


def _forms(value: str) -> list[str]:
    if len(value) < _MIN:
        return []
    raw = value.encode()
    forms = {value, quote(value, safe=""), json.dumps(value)[1:-1]}
    forms |= {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return sorted(forms, key=len, reverse=True)


class RedactingFilter(logging.Filter):
    """Scrubs every record: message, arguments and traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Scrub in place; every record is kept."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        record.msg, record.args = scrub(message), None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = scrub("".join(traceback.format_exception(*record.exc_info)))
            record.exc_info = None
        return True
