"""What DNS says from outside: whether a record can be seen, where a name leads, which zone it is in.

Asked are the servers that the connector names, else the servers of the zone itself, every one of them: a CA may ask
any. Their addresses pass the same guard as the CA's own. The machine's resolver finds the zone and its servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from chancery.net.addresses import AddressPolicy
from chancery.sdk.errors import ProtocolViolation

_WAIT = 3.0
"""Seconds for one question."""
_MOST_HOPS = 8
_MOST_SERVERS = 6
_PORT = 53
_ANSWERS = {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
_NOTHING_THERE = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)
_FAULTS = (dns.exception.DNSException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Server:
    """A DNS server: its name for people, address and port."""

    name: str
    address: str
    port: int = _PORT


class Lookup:
    """Asks DNS. `servers` as in `DnsSettings.resolver`; `system` and `port` are for tests."""

    def __init__(
        self,
        servers: str,
        policy: AddressPolicy,
        *,
        system: Callable[[], dns.resolver.Resolver] = dns.resolver.Resolver,
        port: int = _PORT,
    ) -> None:
        self._servers, self._policy, self._system, self._port = servers, policy, system, port

    def missing(self, name: str, fits: Callable[[str], bool]) -> str:
        """Return which server does not show a TXT record that fits, as a sentence; '' where all that answer do."""
        # An alias often leads into a zone of other servers, which know nothing of the name before it.
        seen, place = False, self.target(name)
        for server in self._asked(place):
            texts = self._texts(server, place)
            if texts is None:
                continue
            seen = True
            if not any(fits(text) for text in texts):
                return f"The DNS server {server.name} does not show the TXT record at {name} yet."
        return "" if seen else f"No DNS server answered for {name}."

    def target(self, name: str) -> str:
        """Return where CNAME records lead from a name; the name itself where there are none."""
        resolver = self._resolver()
        for _ in range(_MOST_HOPS):
            try:
                found = resolver.resolve(dns.name.from_text(name), "CNAME", search=False)
            except _NOTHING_THERE:
                return name
            except _FAULTS as error:
                raise _silent(name, error) from None
            name = found[0].target.to_text(omit_final_dot=True)
        raise _silent(name, ValueError("too many aliases"))

    def zone(self, name: str) -> str:
        """Return the zone that a name is in."""
        try:
            found = dns.resolver.zone_for_name(dns.name.from_text(name), resolver=self._resolver())
        except _FAULTS as error:
            raise _silent(name, error) from None
        return found.to_text(omit_final_dot=True)

    def trouble(self) -> tuple[str, str] | None:
        """Return what is wrong with the servers that the connector names, and the remedy."""
        try:
            named = self._named()
        except ProtocolViolation as error:
            return error.message, error.remedy
        silent = [s.name for s in named if self._texts(s, ".") is None]
        if silent:
            return f"These DNS servers do not answer: {', '.join(silent)}."[:300], "Correct 'DNS servers to ask'."
        return None

    def _asked(self, name: str) -> list[Server]:
        return self._named() or list(self._of_zone(name))[:_MOST_SERVERS]

    def _named(self) -> list[Server]:
        return [self._parsed(part.strip()) for part in self._servers.split(",") if part.strip()]

    def _parsed(self, text: str) -> Server:
        host, port = text, str(self._port)
        if text.count(":") == 1 or text.startswith("["):
            host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", port)
        try:
            address = str(ip_address(host.strip("[]")))
            number = int(port)
        except ValueError:
            raise _unusable(text, "it is no address (and port)") from None
        reason = self._policy.judge(address)
        if reason:
            raise _unusable(text, reason)
        return Server(text, address, number)

    def _resolver(self) -> dns.resolver.Resolver:
        named = self._named()
        try:
            resolver = self._system() if not named else dns.resolver.Resolver(configure=False)
        except dns.exception.DNSException as error:
            raise _silent("the machine's resolver", error) from None
        if named:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(s.address, s.port) for s in named]
        resolver.lifetime = _WAIT
        return resolver

    def _of_zone(self, name: str) -> Iterator[Server]:
        resolver, zone = self._resolver(), self.zone(name)
        try:
            found = sorted(r.target.to_text() for r in resolver.resolve(f"{zone}.", "NS", search=False))
        except _FAULTS as error:
            raise _silent(zone, error) from None
        for host in found:
            for address in self._addresses(resolver, host):
                if not self._policy.judge(address):
                    yield Server(host.rstrip("."), address, self._port)

    @staticmethod
    def _addresses(resolver: dns.resolver.Resolver, host: str) -> list[str]:
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                found += [r.address for r in resolver.resolve(host, kind, search=False)]
            except _FAULTS:
                continue
        return found

    @staticmethod
    def _texts(server: Server, name: str) -> list[str] | None:
        """Return the TXT records that a server shows at a name; None where it does not answer, or will not."""
        question = dns.message.make_query(name, dns.rdatatype.TXT)
        try:
            answer, _ = dns.query.udp_with_fallback(question, server.address, timeout=_WAIT, port=server.port)
        except _FAULTS:
            return None
        if answer.rcode() not in _ANSWERS:
            return None
        rows = [row for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT for row in rrset]
        return [b"".join(row.strings).decode("latin-1") for row in rows]


def _silent(name: str, error: Exception) -> ProtocolViolation:
    return ProtocolViolation(
        f"DNS says nothing of {name[:255]} ({type(error).__name__}).",
        code="dns",
        bytes_sent=False,
        remedy="Check the DNS servers of this machine, or name others in 'DNS servers to ask' and give 'DNS zone'.",
    )


def _unusable(text: str, reason: str) -> ProtocolViolation:
    return ProtocolViolation(
        f"The DNS server {text[:100]!r} cannot be asked: {reason}.",
        code="dns_servers",
        bytes_sent=False,
        remedy="Correct 'DNS servers to ask', or add its network to the connector's allowed networks.",
    )
