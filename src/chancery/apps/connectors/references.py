"""Secrets that stay where they are: a stored text says where, and the worker reads them there.

`@vault:PATH#FIELD` is a field of a secret in the KV engine (version 2) that CHANCERY_SECRET_VAULT names, `@file:NAME` a file
below the folder CHANCERY_SECRET_FILES. Whoever may write a reference could have the secret behind it sent to an
address of their choice, so that is a permission of its own; a reference is never followed out of that folder or mount.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.action import Act, Scoped, current_clock
from chancery.core.errors import Problem, Unavailable
from chancery.core.secret import Secret
from chancery.keystores import opening, vault

_PATTERNS = {
    "vault": re.compile(r"@vault:(?P<path>[A-Za-z0-9_. /-]{1,200})#(?P<field>[A-Za-z0-9_.-]{1,100})"),
    "file": re.compile(r"@file:(?P<path>[A-Za-z0-9_.@ /-]{1,200})"),
}
_WRITTEN = "Write @vault:PATH#FIELD or @file:NAME."
_MOST = 65_536
_TIMEOUT = 2.0
"""Seconds: whoever reads is the thread that all orders wait for."""
FRESH, AGAIN = 60.0, 30.0
"""Seconds for which what was read is used, and for which a place that did not answer is not asked again."""


@dataclass(frozen=True)
class _Refused:
    until: float
    error: Unavailable


_lock = threading.Lock()
_refused: dict[str, _Refused] = {}


def kind(secret: Secret) -> str:
    """Return `vault` or `file` for a text that is meant as a reference, '' for a secret."""
    return next((name for name in _PATTERNS if secret.reveal().startswith(f"@{name}:")), "")


def problem(field: str, secret: Secret, *, outside: bool) -> Problem | None:
    """Return what is wrong with a reference, None where nothing is."""
    name = kind(secret)
    if not outside:
        return Problem(field, "A key that signs here cannot be a reference.", "Give the key itself.")
    found = _PATTERNS[name].fullmatch(secret.reveal())
    if found is None or ".." in found["path"].split("/") or found["path"].startswith("/"):
        return Problem(field, "This reference cannot be read.", _WRITTEN, "reference")
    setting = settings.SECRET_VAULT if name == "vault" else settings.SECRET_FILES
    if not setting:
        text = "References of this kind are not set up on this server."
        return Problem(field, text, f"Set CHANCERY_SECRET_{'VAULT' if name == 'vault' else 'FILES'}.", "reference")
    return None


def require(act: Act, thing: Scoped, secrets: Mapping[str, Secret]) -> None:
    """Raise `NotPermitted` where references are among the secrets given and the actor may give none."""
    if any(kind(secret) for secret in secrets.values()):
        act.require(thing, Permission.SECRET_REFERENCE)


def resolve(secret: Secret) -> Secret:
    """Return a secret as it is now; raises `Unavailable` where a reference leads to none."""
    name = kind(secret)
    if not name:
        return secret
    found = _PATTERNS[name].fullmatch(secret.reveal())
    if found is None:  # pragma: no cover  what is stored was checked
        raise Unavailable("This reference cannot be read.", remedy=_WRITTEN, code="no_reference")
    return _file(found["path"]) if name == "file" else _vault(found["path"], found["field"])


def _file(name: str) -> Secret:
    root = Path(settings.SECRET_FILES or "/nowhere").resolve()
    path = (root / name).resolve()
    try:
        if root not in path.parents:
            raise OSError("It lies outside the folder")
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        text, remedy = f"The secret in {root / name} cannot be read: {why}.", "Put it there, readable for the worker."
        raise Unavailable(text, remedy=remedy, code="no_reference") from None
    if not text:
        raise Unavailable(f"The file {path} is empty.", remedy="Write the secret into it.", code="no_reference")
    return Secret(text)


def _vault(path: str, field: str) -> Secret:
    where, now = settings.SECRET_VAULT, current_clock().monotonic()
    with _lock:
        last = _refused.get(where)
    if last is not None and last.until > now:
        raise last.error
    parts = urlsplit(where.removeprefix("vault+"))
    server = vault.Server(f"{parts.scheme}://{parts.netloc}", opening.query(where), timeout=_TIMEOUT)
    try:
        return vault.read_secret(server, unquote(parts.path.strip("/")), path, field)
    except Unavailable as error:
        if error.code == "key_store":
            with _lock:
                _refused[where] = _Refused(now + AGAIN, error)
        raise
