"""A certificate request as a browser sends it."""

from __future__ import annotations

import base64
import re

_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z ]+-----")


def parsed(text: str) -> bytes:
    """Return a PKCS#10 (DER), with armour or without; b'' where it is not even Base64."""
    try:
        return base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)
    except ValueError:
        return b""
