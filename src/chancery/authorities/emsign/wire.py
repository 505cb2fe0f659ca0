"""What both interfaces write alike into an order."""

from __future__ import annotations

import base64

from chancery.sdk.authority import Request

TAG = "chancery:"
"""Name of our tag: tags are `name:value` (V1 specification), and reports show them."""


def tag_of(request: Request) -> str:
    """Return the tag that an order of ours carries."""
    return f"{TAG}{request.reference}"


def csr_text(request: Request) -> str:
    """Return a request as the documents' examples of orders have it: base64 on one line, without PEM's frame."""
    return base64.b64encode(request.csr).decode()
