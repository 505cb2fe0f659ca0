"""The ACME server (RFC 8555): reads signed messages, hands them to `apps.acme`, and says what became of them.

Every answer brings a nonce, also a refusal, but for the directory, which caches may keep. An address in a message counts
only if it is the one that the settings give this server: what a proxy or a client calls it says nothing.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from chancery.apps.acme import arriving, jose, nonces
from chancery.apps.acme.errors import AcmeError, malformed, translated
from chancery.apps.acme.jose import Key, Message
from chancery.apps.acme.models import Account
from chancery.core.errors import ChanceryError
from chancery.doors.acme.documents import PREFIX, at, ident
from chancery.doors.acme.reply import Reply, link
from chancery.doors.away import AWAY, unavailable
from chancery.doors.lengths import body
from chancery.doors.problems import PROBLEM_JSON

log = logging.getLogger("chancery.acme")
_JOSE = "application/jose+json"
_EXPOSED = "Replay-Nonce, Location, Link, Retry-After"
"""What a client needs beside the body; scripts see no other header unless it is named (Fetch standard, CORS protocol)."""
_FIXED = {("order", 3), ("account", 3), ("account", 4)}
"""Shapes of addresses whose third word is not the client's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One authentic message: who sent it, by which key, what it says, from which address."""

    message: Message
    key: Key
    found: Account | None
    url: str
    address: str

    @property
    def account(self) -> Account:
        """Return the account that signed; a message that brings a key instead is refused."""
        if self.found is None:
            raise malformed("protected", "It must name the account (kid).", "Register, and sign with kid.")
        return self.found

    def nothing(self) -> None:
        """Raise unless this only reads: POST-as-GET has an empty payload (RFC 8555 section 6.3)."""
        if self.message.payload:
            raise malformed("payload", "It must be empty: this is only read.", "Send POST-as-GET.")

    def payload(self) -> dict[str, Any]:
        """Return what is asked, as an object."""
        return jose.parse_object(self.message.payload, "payload")


Handler = Callable[[Asked, list[str]], Reply]


def answer(request: HttpRequest, path: str) -> Reply:
    """Answer one request below /acme/."""
    try:
        response = _answer(request, path)
    except ChanceryError as error:
        response = refused(translated(error))
    except AWAY as error:
        log.error("%s: the database: %s", request.path[:200], error)
        response = refused(translated(unavailable(error)))
    except Exception as error:
        # A client understands nothing but problem documents, and goes on only with a nonce.
        response = refused(_fault(request, error))
    response.headers.setdefault("Cache-Control", "no-store")
    # RFC 8555 section 6.1: scripts of any page may read this. No browser sends anything by itself that counts here.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    if settings.ACME_URL:
        if response.headers["Cache-Control"] == "no-store":
            # A cache would give one nonce to several clients.
            response.headers["Replay-Nonce"] = nonces.fresh()
        response.links.append(link(at("directory"), "index"))
    return response


def _fault(request: HttpRequest, error: Exception) -> AcmeError:
    """Return what is said of a fault of ours: a reference under which the log has the trace, and nothing else."""
    reference = uuid.uuid4().hex[:12]
    log.error("incident %s: %s %s", reference, request.method, request.path[:200], exc_info=error)
    text = f"Something is wrong here; nothing of the request is to blame. Incident {reference}."
    remedy = "Give the incident's number to whoever runs this server; its log has it."
    return AcmeError("serverInternal", text, remedy, status=500)


def _answer(request: HttpRequest, path: str) -> Reply:
    from chancery.doors.acme.resources import OPEN, SIGNED

    if not settings.ACME_URL:
        text = "The ACME server is off: its own address is not set."
        raise AcmeError("serverInternal", text, "Whoever runs it sets CHANCERY_ACME_URL (docs/acme.md).")
    parts = path.split("/")
    shape = (parts[0], len(parts))
    if shape in OPEN:
        if request.method == "OPTIONS":
            return _preflight("GET, HEAD")
        if request.method not in {"GET", "HEAD"}:
            raise _not_allowed("This is only read.", "Send GET.", "GET, HEAD")
        return OPEN[shape](request.method or "GET", parts)
    handler = SIGNED.get((*shape, parts[2] if shape in _FIXED else ""))
    if handler is None:
        raise malformed("url", "There is nothing at this address.", f"Start at {at('directory')}.", 404)
    if request.method == "OPTIONS":
        return _preflight("POST")
    if request.method != "POST":
        raise _not_allowed("This takes signed messages alone.", "Send POST, or POST-as-GET.", "POST")
    return handler(_asked(request, path), parts)


def _preflight(allowed: str) -> Reply:
    """Say to a browser what a script may send here; messages have a media type of which it asks first."""
    headers = {
        "Allow": allowed,
        "Access-Control-Allow-Methods": allowed,
        "Access-Control-Allow-Headers": "content-type",
    }
    return Reply(status=204, headers=headers)


def _not_allowed(wrong: str, remedy: str, allowed: str) -> AcmeError:
    """Return the refusal of a method, with those that there are (RFC 9110 section 15.5.6)."""
    refusal = malformed("method", wrong, remedy, 405)
    refusal.headers = {"Allow": allowed}
    return refusal


def _asked(request: HttpRequest, path: str) -> Asked:
    """Return the message of a request once it is proven who sent it, for this address, for the first time."""
    if (request.content_type or "") != _JOSE:
        raise malformed("Content-Type", f"It is not {_JOSE}.", "Send that.", 415)
    raw = body(request, jose.MOST_BYTES)
    if raw is None:
        raise malformed("body", f"It has more than {jose.MOST_BYTES} bytes.", "Send less at once.", 413)
    message, url = jose.read(raw), at(path)
    if message.header.get("url") != url:
        text = f"url: It is signed for {str(message.header.get('url'))[:200]!r}, and this is {url}."
        raise AcmeError("unauthorized", text, f"Use the addresses of {at('directory')}.")
    # Only what is signed is looked for: nobody else is to write anything here, or to find out whose accounts there are.
    account: Account | None = None
    if (by := message.jwk) is not None:
        jose.verify(message, by)
        fresh = nonces.spend(message.header.get("nonce"))
    else:
        account, by, fresh = arriving.receive(message, _named(message.kid))
    if not fresh:
        raise AcmeError(
            "badNonce", "nonce: It is not one of this server's, too old, or used before.", "Use the new one."
        )
    return Asked(message, by, account, url, request.META.get("REMOTE_ADDR", ""))


def _named(kid: str) -> UUID:
    prefix = at("account/")
    found = ident(kid.removeprefix(prefix)) if kid.startswith(prefix) else None
    return found or UUID(int=0)


def refused(error: AcmeError) -> Reply:
    """Return a problem document."""
    response = Reply(json.dumps(error.document()), status=error.status, content_type=PROBLEM_JSON)
    for name, value in error.headers.items():
        if name == "account":
            response.headers["Location"] = at(f"account/{UUID(value).hex}")
        else:
            response.headers[name] = value
    if error.status == 503:
        response.headers.setdefault("Retry-After", "30")
    return response


def shown(body: dict[str, Any], status: int = 200, links: Iterable[str] = (), **headers: str) -> Reply:
    """Return an object; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items() if value}
    return Reply(json.dumps(body), links=links, status=status, content_type="application/json", headers=named)


__all__ = ["PREFIX", "Asked", "answer", "refused", "shown"]
