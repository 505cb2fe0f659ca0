"""Looks at the challenges of ACME clients: claimed in one transaction, looked at on threads of its own, told in another."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

import dns.exception
import dns.resolver
from cryptography import x509
from django.conf import settings
from django.db import transaction

from chancery.apps.acme import proving
from chancery.apps.acme.errors import AcmeError
from chancery.apps.acme.jose import encode
from chancery.apps.acme.proving import Look
from chancery.net import proving as net
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import resolve
from chancery.net.progress import Cause, Failed
from chancery.protocols.acme.solving.lookup import Lookup
from chancery.sdk.errors import ProtocolViolation

_LOOKERS = 8
_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
"""acmeIdentifier (RFC 8737 section 3)."""
_DNS_WAIT = 5.0
_OCTETS = b"\x04\x20"
Problem = dict[str, Any]


class Validations:
    """One per worker."""

    def __init__(self) -> None:
        self._lookers = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="proving")
        self._done: queue.SimpleQueue[tuple[Look, Problem]] = queue.SimpleQueue()
        self._busy = 0

    def turn(self, now: datetime) -> None:
        """Record what was found and begin to look at what is due."""
        while not self._done.empty():
            found, problem = self._done.get()
            self._busy -= 1
            with transaction.atomic():
                proving.record(found, problem, now)
        # No more than are looked at at once: what waited here would outlive its lease.
        if self._busy >= _LOOKERS or not proving.waiting(now):
            return
        with transaction.atomic():
            looks = proving.claim(now, _LOOKERS - self._busy)
        for one in looks:
            self._busy += 1
            self._lookers.submit(look, one).add_done_callback(lambda f, o=one: self._looked(o, f))  # type: ignore[misc]  # the default binds this one

    def _looked(self, one: Look, future: Future[Problem]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        kind = type(error).__name__
        self._done.put(
            (one, _problem("serverInternal", f"Looking failed here ({kind}).") if error else future.result())
        )

    def close(self) -> None:
        """Let what is under way finish; it is looked at again by another worker."""
        self._lookers.shutdown(wait=True, cancel_futures=True)


def look(one: Look) -> Problem:
    """Return what is wrong with a challenge, as a problem document; {} where the client has proven the name."""
    policy = AddressPolicy(one.networks)
    try:
        return _LOOKS[one.challenge](one, policy)
    except Failed as failed:
        kind = {Cause.NO_NAME: "dns", Cause.REFUSED: "connection"}.get(failed.cause, "")
        kind = kind or ("tls" if failed.progress.stage == "tls" else "connection")
        return _problem(kind, f"{one.value}: {failed.text}", _remedy(failed.cause))
    except ProtocolViolation as error:
        return _problem("dns", error.message, "Check the zone and its servers.")


def _remedy(cause: Cause) -> str:
    if cause is Cause.REFUSED:
        return "An administrator can allow private networks where the profile is offered."
    return "Check that the name leads to this host and that the port is open from here."


def _problem(kind: str, detail: str, remedy: str = "") -> Problem:
    return AcmeError(kind, detail[:600], remedy).document()


def _http(one: Look, policy: AddressPolicy) -> Problem:
    """RFC 8555 section 8.3."""
    host = f"[{one.value}]" if ":" in one.value else one.value
    port = settings.ACME_PORTS["http-01"]
    where = f"http://{host}:{port}/.well-known/acme-challenge/{one.token}"
    status, content, final = net.fetch(where, policy, _resolver(), frozenset({80, 443, port}))
    if status != 200:
        return _problem("unauthorized", f"{final} answered {status}.", "Serve the token's file there.")
    if content.rstrip() != one.key_authorization.encode():
        text = f"{final} shows something else than the key authorization."
        return _problem("unauthorized", text, "Serve the token, a dot and the account's thumbprint.")
    return {}


def _dns(one: Look, policy: AddressPolicy) -> Problem:
    """RFC 8555 section 8.4."""
    wanted = encode(sha256(one.key_authorization.encode()).digest())
    named = settings.ACME_RESOLVERS
    # Whoever set the servers has allowed them by that.
    policy = AddressPolicy((*one.networks, *(host for host, _ in named)))
    servers = ",".join(f"[{host}]:{port}" for host, port in named)
    missing = Lookup(servers, policy).missing(f"_acme-challenge.{one.value}", wanted.__eq__)
    return (
        _problem("unauthorized", missing, "Publish the record, and remove none before it is valid.") if missing else {}
    )


def _tls(one: Look, policy: AddressPolicy) -> Problem:
    """RFC 8737 section 3; RFC 8738 section 6 for addresses."""
    der, agreed = net.shown(one.value, settings.ACME_PORTS["tls-alpn-01"], policy, _resolver())
    if agreed != "acme-tls/1":
        return _problem("tls", f"{one.value} did not agree on acme-tls/1.", "Answer that protocol on the port.")
    wrong = _wrong(x509.load_der_x509_certificate(der), one)
    return (
        _problem("unauthorized", f"{one.value}: {wrong}", "Show the certificate of RFC 8737 section 3.")
        if wrong
        else {}
    )


def _wrong(found: x509.Certificate, one: Look) -> str:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        proof: Any = found.extensions.get_extension_for_oid(_IDENTIFIER)
    except (x509.ExtensionNotFound, ValueError):
        return "its certificate lacks the name or the acmeIdentifier extension."
    if [str(n.value).lower() for n in names] != [one.value]:
        return "its certificate is not for exactly this name."
    if not proof.critical or proof.value.value != _OCTETS + sha256(one.key_authorization.encode()).digest():
        return "its acmeIdentifier is not critical, or is another than the key authorization's."
    return ""


_LOOKS: dict[str, Callable[[Look, AddressPolicy], Problem]] = {
    "http-01": _http,
    "dns-01": _dns,
    "tls-alpn-01": _tls,
}


def _resolver() -> Callable[[str, int], list[str]]:
    return _asking(settings.ACME_RESOLVERS) if settings.ACME_RESOLVERS else resolve


@lru_cache(maxsize=4)
def _asking(servers: tuple[tuple[str, int], ...]) -> Callable[[str, int], list[str]]:
    """Return a resolver that asks the servers of the settings."""
    asked = dns.resolver.Resolver(configure=False)
    asked.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
    asked.lifetime = _DNS_WAIT

    def addresses(host: str, port: int) -> list[str]:
        del port
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                found += [row.address for row in asked.resolve(host, kind, search=False)]
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
            except dns.exception.DNSException as error:
                raise OSError(f"the DNS servers of the settings do not answer ({type(error).__name__})") from None
        return found

    return addresses
