"""What the CA does to see whether a name is the account's: it looks (RFC 8555 section 8)."""

from __future__ import annotations

import hashlib
import http.client

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from chancery.protocols.acme.simulator.signatures import encode
from chancery.protocols.acme.simulator.state import Authorization, Challenge

ISSUER = "ca.example"
_WAIT = 5.0


def problem(kind: str, detail: str) -> dict[str, str]:
    """Return a problem document for a challenge."""
    return {"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail}


def look(
    authorization: Authorization, challenge: Challenge, mark: str, account: str, *, http_at: str, dns_at: str
) -> dict[str, str] | None:
    """Return what is wrong, as a problem document, or None. `mark` is the account key's thumbprint."""
    if challenge.type == "http-01":
        return _http(authorization.value, challenge.token, mark, http_at)
    if challenge.type == "dns-01":
        wanted = encode(hashlib.sha256(f"{challenge.token}.{mark}".encode()).digest())
        return _dns(f"_acme-challenge.{authorization.value}", wanted, dns_at)
    if challenge.type == "dns-persist-01":
        return _persist(authorization, account, dns_at)
    return problem("malformed", "This challenge is not looked at here.")


def _http(name: str, token: str, mark: str, at: str) -> dict[str, str] | None:
    host, _, port = (at or f"{name}:80").rpartition(":")
    talk = http.client.HTTPConnection(host, int(port), timeout=_WAIT)
    try:
        talk.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": name})
        answer = talk.getresponse()
        body = answer.read(2000).decode("latin-1").rstrip()
    except (OSError, http.client.HTTPException) as error:
        return problem("connection", f"{name}: {type(error).__name__}")
    finally:
        talk.close()
    if answer.status != 200:
        return problem("unauthorized", f"Invalid response from http://{name}/: {answer.status}")
    if body != f"{token}.{mark}":
        return problem("unauthorized", f"The key authorization file from the server did not match: {body[:100]!r}")
    return None


def _texts(name: str, at: str) -> list[str] | None:
    host, _, port = at.rpartition(":")
    query = dns.message.make_query(name, dns.rdatatype.TXT)
    try:
        answer = dns.query.udp(query, host, port=int(port), timeout=_WAIT)
    except (OSError, dns.exception.DNSException):
        return None
    rows = [r for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for r in rrset]
    return [b"".join(r.strings).decode("latin-1") for r in rows]


def _dns(name: str, wanted: str, at: str) -> dict[str, str] | None:
    found = _texts(name, at)
    if found is None:
        return problem("dns", f"DNS problem: query timed out looking up TXT for {name}")
    if wanted not in found:
        return problem("unauthorized", f"No TXT record with the right value at {name}")
    return None


def _persist(authorization: Authorization, account: str, at: str) -> dict[str, str] | None:
    name = f"_validation-persist.{authorization.value}"
    found = _texts(name, at)
    if found is None:
        return problem("dns", f"DNS problem: query timed out looking up TXT for {name}")
    for text in found:
        issuer, *rest = (part.strip() for part in text.split(";"))
        fields = dict(part.split("=", 1) for part in rest if "=" in part)
        wide = fields.get("policy", "").lower() == "wildcard"
        if issuer == ISSUER and fields.get("accounturi") == account and (wide or not authorization.wildcard):
            return None
    return problem("unauthorized", f"No TXT record for this account at {name}")
