"""Takes what only one call carried (a token, a signature) out of its answer, should the CA echo it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from chancery.core.secret import MASK
from chancery.sdk.http import Answer


def masked(answer: Answer, values: Iterable[str]) -> Answer:
    """Return the answer without the values: what it says ends on pages and in errors."""
    body = answer.body
    for form in {form for value in values if value for form in (value, json.dumps(value)[1:-1])}:
        body = body.replace(form.encode(), MASK.encode())
    return replace(answer, body=body)
