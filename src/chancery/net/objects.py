"""Objects in S3 or a store that speaks its API, written once and locked for a time; through boto3 (`chancery[aws]`).

Credentials are found as boto3 finds them: environment, profile, the machine's role. Addresses are the administrator's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chancery.core.errors import Unavailable

_TIMEOUT = 10
_MODES = ("COMPLIANCE", "GOVERNANCE")


def client(service: str, region: str, endpoint: str) -> Any:
    """Return a boto3 client that waits ten seconds at most; raises `Unavailable` where boto3 is not installed."""
    try:
        boto3, config = import_module("boto3"), import_module("botocore.config")
    except ImportError:
        text = f"{service} at AWS needs boto3, which is not installed."
        raise Unavailable(text, remedy="Install chancery[aws].", code="no_boto3") from None
    limits = config.Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2})
    return boto3.client(service, region_name=region or None, endpoint_url=endpoint or None, config=limits)


def failures() -> tuple[type[Exception], ...]:
    """Return what boto3 raises where a service does not do what it is asked for."""
    errors = import_module("botocore.exceptions")
    return (errors.BotoCoreError, errors.ClientError)


def store(address: str, name: str, content: bytes, at: datetime) -> None:
    """Write an object below `s3://bucket/prefix?region=…&endpoint=…&retain_days=…&mode=…`.

    With `retain_days` the object is locked for so long: in COMPLIANCE mode nobody can shorten that, not even the account's
    owner. Raises `OSError` with the store's words where it is not stored.
    """
    parts = urlsplit(address)
    given = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    lock: dict[str, Any] = {}
    if given.get("retain_days"):
        until = at + timedelta(days=int(given["retain_days"]))
        lock = {"ObjectLockMode": given.get("mode", _MODES[0]), "ObjectLockRetainUntilDate": until}
        lock["ChecksumAlgorithm"] = "SHA256"
    prefix = parts.path.strip("/")
    key = f"{prefix}/{name}" if prefix else name
    s3 = client("s3", given.get("region", ""), given.get("endpoint", ""))
    try:
        s3.put_object(Bucket=parts.hostname, Key=key, Body=content, ContentType="text/plain; charset=utf-8", **lock)
    except failures() as error:
        raise OSError(str(error)) from None
