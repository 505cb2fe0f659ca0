"""Takes credentials out of an answer before anything of it is read, should the CA echo them.

What an order's page tells is made of the CA's words, so this is done once, for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from chancery.core.secret import MASK
from chancery.sdk.http import Answer

_SHORTEST = 4
"""Characters; replacing anything shorter would only garble the answer."""


def masked(answer: Answer, values: Iterable[str]) -> Answer:
    """Return the answer without the door's secrets and `values`, which only this call carried."""
    body = answer.body
    secrets = [*values, *(secret.reveal() for secret in answer.secrets)]
    for value in (v for v in secrets if len(v) >= _SHORTEST):
        for form in {value, json.dumps(value)[1:-1]}:
            body = body.replace(form.encode(), MASK.encode())
    return replace(answer, body=body)
