"""A reader of a Windows directory: logs in, searches page by page, follows no referral, changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chancery.net.redact import register
from chancery.protocols.ldap import faults, messages
from chancery.protocols.ldap.line import Line
from chancery.protocols.ldap.login import Negotiation
from chancery.protocols.ldap.messages import BASE, Entry, Question, Received
from chancery.protocols.ldap.settings import LdapSettings, LdapWire, Protection
from chancery.protocols.negotiate.settings import Credentials

_PAGE, _MOST, _MOST_LEGS = 200, 5000, 6
_ROOT = ("configurationNamingContext", "defaultNamingContext", "dnsHostName", "tokenGroups")


class LdapClient:
    """Reads one directory as one account. Construction opens nothing; every session is a connection and a login."""

    def __init__(self, wire: LdapWire, settings: LdapSettings, credentials: Credentials) -> None:
        self._wire, self._settings, self._credentials = wire, settings, credentials
        register(one for one in (credentials.password, credentials.keytab) if one)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session, logged in; raises the errors of the contract, none of which has an effect behind it."""
        line = Line(self._wire, self._settings)
        try:
            line.open()
            made = Session(line)
            certificate = None
            if self._settings.protection is Protection.STARTTLS:
                made.start_tls()
            if self._settings.protection.tls:
                certificate = line.secure()
            made.log_in(Negotiation(self._credentials, self._settings.host, certificate))
            yield made
        finally:
            line.close()


class Session:
    """What can be asked over one connection."""

    def __init__(self, line: Line) -> None:
        self._line, self._number = line, 0

    def start_tls(self) -> None:
        """Ask for TLS (RFC 4511 section 4.14)."""
        self._good(self._one(messages.extended(self._next(), messages.START_TLS), "extendedResp"))

    def log_in(self, login: Negotiation) -> None:
        """Log in by as many steps as it takes."""
        token = login.step()
        for _ in range(_MOST_LEGS):
            answer = self._one(messages.bind(self._next(), token), "bindResponse")
            if answer.code == messages.SUCCESS:
                if answer.token and not login.complete:
                    login.step(answer.token)
                if not login.complete:
                    raise faults.senseless("it says that the login is over, which it is not", self._line.host)
                self._line.log_in(login)
                return
            if answer.code != messages.SASL_IN_PROGRESS:
                raise faults.refused(answer.code, answer.text, self._line.host)
            token = login.step(answer.token)
        raise faults.senseless("the login does not come to an end", self._line.host)

    def root(self) -> Entry:
        """Return what the directory says of itself (RFC 4512 section 5.1), and the SIDs that it knows us by (tokenGroups)."""
        return next(iter(self.search(Question("", BASE, ("objectClass", ""), _ROOT))), Entry("", {}))

    def search(self, asked: Question) -> list[Entry]:
        """Return every entry that fits. Referrals are not followed: an answer leads nowhere else."""
        found: list[Entry] = []
        cookie = b""
        while True:
            number = self._next()
            self._line.send(messages.search(number, asked, _PAGE, cookie))
            cookie = self._page(number, found)
            if not cookie:
                return found
            if len(found) > _MOST:
                raise faults.senseless(f"it has more than {_MOST} entries", self._line.host)

    def _page(self, number: int, found: list[Entry]) -> bytes:
        while True:
            answer = self._answer(number)
            if answer.kind == "searchResEntry":
                found.append(messages.entry(answer))
            elif answer.kind == "searchResDone":
                if answer.code != messages.REFERRAL:
                    self._good(answer)
                return answer.cookie
            elif answer.kind != "searchResRef":
                raise faults.senseless(f"a {answer.kind} to a search", self._line.host)

    def _one(self, message: bytes, kind: str) -> Received:
        self._line.send(message)
        answer = self._answer(self._number)
        if answer.kind != kind:
            raise faults.senseless(f"a {answer.kind} instead of a {kind}", self._line.host)
        return answer

    def _answer(self, number: int) -> Received:
        answer = self._line.receive()
        if answer.number == 0 and answer.kind == "extendedResp":  # notice of disconnection, RFC 4511 section 4.4.1
            raise faults.refused(answer.code, answer.text, self._line.host)
        if answer.number != number:
            raise faults.senseless("it is the answer to another question", self._line.host)
        return answer

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _good(self, answer: Received) -> None:
        if answer.code != messages.SUCCESS:
            raise faults.refused(answer.code, answer.text, self._line.host)
