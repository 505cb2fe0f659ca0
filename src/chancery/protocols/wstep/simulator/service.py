"""The services: a policy service and an enrolment service, each at an address per kind of login, over one CA."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.wstep.simulator import enrolment, policy, soap
from chancery.protocols.wstep.simulator.dials import WstepDials
from chancery.protocols.wstep.simulator.soap import Fault
from chancery.sandbox.certsrv import Database, Refused
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.frame import Asked, Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "wstep"
CA_NAME = "Sandbox-Issuing-CA"
USER, PASSWORD = "EXAMPLE\\svc-chancery", "sandbox-wstep-password-4711"
_POLICIES = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy/IPolicy/GetPolicies"
_TOKENS = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
_KIND = "application/soap+xml; charset=utf-8"
_LOGINS = {"Kerberos": 2, "UsernamePassword": 4, "Certificate": 8}
_FAULT = "http://www.w3.org/2005/08/addressing/soap/fault"


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    database: Database | None = None,
    user: str = USER,
    password: str = PASSWORD,
) -> Simulator:
    """Return a simulator that is not yet started; `database` is a CA that other faces show as well."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(WstepDials)
    shifted = ShiftedClock(clock)
    database = database or Database(EnrolmentCa(clock.now()), ledger, dials, shifted)
    service = Service(database, dials, shifted, (user, password))
    made = Simulator(NAME, service.answer, prefix="", ledger=ledger, dials=dials, clock=shifted)
    made.state = service.state
    made.doors = {
        ("POST", "/approve"): lambda asked: service.decide(asked, approve=True),
        ("POST", "/refuse"): lambda asked: service.decide(asked, approve=False),
    }
    made.credentials = {"user": user, "password": password, "ca": CA_NAME, **service.addresses("UsernamePassword")}
    return made


class Service:
    """Both services. The addresses for Kerberos and certificates let everybody in: the login is TLS's, or the web server's."""

    def __init__(self, database: Database, dials: Dials, clock: ShiftedClock, login: tuple[str, str]) -> None:
        self._database, self._dials, self._clock, self._login = database, dials, clock, login
        self._policy = {self.addresses(kind)["policy"]: kind for kind in _LOGINS}
        self._enrollment = {self.addresses(kind)["enrollment"]: kind for kind in _LOGINS}

    @staticmethod
    def addresses(kind: str) -> dict[str, str]:
        """Return the paths of both services for a kind of login."""
        return {
            "policy": f"ADPolicyProvider_CEP_{kind}/service.svc/CEP",
            "enrollment": f"{CA_NAME}_CES_{kind}/service.svc/CES",
        }

    def answer(self, asked: Asked) -> Reply:
        """Answer one HTTP request."""
        now, path = self._dials.now, asked.path.strip("/")
        if now.throttle or asked.throttled:
            headers = {"Retry-After": now.retry_after} if now.retry_after else {}
            return Reply(429, b"<html>Too many requests</html>", "text/html", headers=headers)
        kind = self._policy.get(path) or self._enrollment.get(path)
        if kind is None or asked.method != "POST":
            return Reply(404, b"<html><title>404 - File or directory not found.</title></html>", "text/html")
        if not asked.headers.get("content-type", "").startswith("application/soap+xml"):
            return Reply(415, b"", "text/html")
        if now.refuse_key and kind != "UsernamePassword":
            page = b"<html><title>401 - Unauthorized: Access is denied due to invalid credentials.</title></html>"
            return Reply(401, page, "text/html", headers={"WWW-Authenticate": "Negotiate"})
        return self._speak(asked, path, kind)

    def _speak(self, asked: Asked, path: str, kind: str) -> Reply:
        number = ""
        try:
            message = soap.read(asked.body)
            number = message.number
            if urlsplit(message.to).path.strip("/") != path:
                raise Fault("Sender", "a:DestinationUnreachable", "The message is addressed to another service.")
            account = self._account(message, kind)
            if self._dials.now.internal_fault:
                raise Fault("Receiver", "a:InternalServiceFault", "The server was unable to process the request.")
            action, inside, acted = self._act(message, path, kind, account, asked)
        except Fault as fault:
            # A denied request leaves a row; what the ledger calls an order it is not.
            return Reply(500, soap.envelope(_FAULT, self._relates(number), soap.fault(fault)), _KIND)
        return Reply(200, soap.envelope(action, self._relates(number), inside), _KIND, acted=acted)

    def _relates(self, number: str) -> str:
        return "urn:uuid:00000000-0000-4000-8000-00000000dead" if self._dials.now.other_message else number

    def _account(self, message: soap.Message, kind: str) -> str:
        if kind != "UsernamePassword":
            return self._login[0]
        user, password = soap.user_of(message, self._clock.now())
        if self._dials.now.refuse_key or (user, password) != self._login:
            raise Fault("Sender", "wsse:FailedAuthentication", "The security token could not be authenticated.")
        return user

    def _act(self, message: soap.Message, path: str, kind: str, account: str, asked: Asked) -> tuple[str, str, bool]:
        host = f"https://{asked.headers.get('host', '')}"
        if path in self._policy and message.action == _POLICIES:
            addresses = [(number, f"{host}/{self.addresses(name)['enrollment']}") for name, number in _LOGINS.items()]
            return f"{_POLICIES}Response", policy.answer(self._database, account, addresses), False
        if path in self._enrollment and message.action == f"{_TOKENS}/RST/wstep":
            address = f"{host}/{self.addresses(kind)['enrollment']}"
            inside, acted = enrolment.answer(message.inside, self._database, account, self._dials, address)
            return f"{_TOKENS}/RSTRC/wstep", inside, acted
        raise Fault("Sender", "a:ActionNotSupported", "The message cannot be processed at the receiver.")

    # Control ------------------------------------------------------------------------------------------

    def decide(self, asked: Asked, *, approve: bool) -> Reply:
        """Let a certificate manager decide about every pending request."""
        del asked
        decided = 0
        for row in self._database.rows():
            try:
                self._database.resubmit(row.number) if approve else self._database.deny(row.number)
            except Refused:
                continue
            decided += 1
        return json_reply({"decided": decided})

    def state(self) -> dict[str, Any]:
        """Return what the CA keeps."""
        return {
            "requests": [
                {"number": r.number, "state": int(r.state), "message": r.message, "requester": r.requester}
                for r in self._database.rows()
            ]
        }
