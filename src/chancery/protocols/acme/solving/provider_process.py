"""The process that speaks with a DNS provider: one request as JSON on standard input, one answer on standard output.

Every connection that the library opens is judged by the connector's address guard, right where it is opened. The list
of public suffixes is that of the package: it is never fetched.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import requests
import tldextract
import tldextract.tldextract
from lexicon.config import ConfigResolver
from lexicon.exceptions import AuthenticationError

from chancery.net.addresses import AddressPolicy
from chancery.net.apart import guard

_LONGEST = 500
_PROVIDERS = "lexicon._private.providers"


def main() -> None:
    """Answer one request."""
    asked = json.load(sys.stdin)
    try:
        guard(AddressPolicy(tuple(asked["networks"])))
        stay_offline()
        perform(asked)
        told = {"kind": "ok", "text": ""}
    except Exception as error:  # whatever a provider's module raises becomes a sentence
        told = {"kind": _kind(error), "text": f"{type(error).__name__}: {error}"[:_LONGEST]}
    json.dump(told, sys.stdout)


def stay_offline() -> None:
    """Have every look at public suffixes use the list inside the package."""

    class Offline(tldextract.TLDExtract):
        def __init__(self, *values: Any, **more: Any) -> None:
            del values
            super().__init__(
                cache_dir=None,
                suffix_list_urls=(),
                include_psl_private_domains=bool(more.get("include_psl_private_domains", False)),
            )

    tldextract.TLDExtract = Offline  # type: ignore[misc]  # the library's modules take it by this name
    tldextract.tldextract.TLD_EXTRACTOR = Offline()


def perform(asked: dict[str, Any]) -> None:
    """Log in, then write or take away each record, or do nothing more."""
    name, options = asked["provider"], dict(asked["options"])
    lifetime = options.pop("ttl", "")
    values = {"provider_name": name, "domain": asked["zone"], name: options}
    if lifetime:
        values["ttl"] = int(lifetime)
    module = importlib.import_module(f"{_PROVIDERS}.{name}")
    resolver: Any = ConfigResolver
    provider = module.Provider(resolver().with_dict(values))
    provider.authenticate()
    try:
        for record, content in asked["records"]:
            if asked["act"] == "create":
                provider.create_record("TXT", record, content)
            elif provider.list_records("TXT", record, content):
                provider.delete_record(rtype="TXT", name=record, content=content)
    finally:
        provider.cleanup()


def _kind(error: Exception) -> str:
    if isinstance(error, AuthenticationError):
        return "login"
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code if error.response is not None else 0
        return "login" if status in {401, 403} else "other"
    return "away" if isinstance(error, OSError) else "other"


if __name__ == "__main__":  # pragma: no cover  run by provider.py
    main()
