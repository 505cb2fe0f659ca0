"""The server: each protocol under its own path, one CA, one ledger, one set of dials."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.emca.simulator.dials import EmcaDials
from chancery.authorities.emca.simulator.rest import Rest
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.acme.simulator import EAB_KEY, EAB_KEY_ID
from chancery.protocols.acme.simulator.service import Service as Acme
from chancery.protocols.cmp.simulator import Service as Cmp
from chancery.protocols.est.simulator.service import Service as Est
from chancery.protocols.scep.simulator.service import Service as Scep
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.frame import Asked, Example, Handler, Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "emca"
USER, PASSWORD = "chancery-app", "sandbox-emca-password-4711"
CLIENT_ID, SUBSCRIBER = "CL-20260001", "SUB-000123"
CODE = "sandbox-emca-authentication-code"
CA_NAME = "emCA Sandbox"
"""The issuing CA is called so with "Issuing CA" behind it."""
PATHS = {"cmp": "cmp", "est": ".well-known/est", "acme": "acme/directory", "scep": "scep/registration"}


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    days: int = 90,
) -> Simulator:
    """Return a simulator that is not yet started. `days` is how long certificates over CMP live."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(EmcaDials)
    shifted = ShiftedClock(clock)
    server = Server(ledger, dials, shifted, days)
    made = Simulator(NAME, server.answer, prefix="", ledger=ledger, dials=dials, clock=shifted)
    made.state = server.state
    made.doors = {("POST", "/approve"): server.approve, ("POST", "/refuse"): server.refuse}
    made.credentials = server.credentials
    made.examples = _examples(server.credentials)
    return made


class Server:
    """One emCA. Over ACME another CA of it issues, since that protocol's server brings its own."""

    def __init__(self, ledger: Ledger, dials: Dials, clock: ShiftedClock, days: int) -> None:
        now = clock.now()
        ca = EnrolmentCa(now, CA_NAME, rsa_keys=True)
        self.cmp = Cmp(ca, ledger, dials, clock, {USER: CODE}, days)
        self.est = Est(ca, ledger, dials, clock, (USER, PASSWORD))
        self.scep = Scep(ca, ledger, dials, clock)
        self.acme = Acme(SandboxCa(now, "emCA ACME"), ledger, dials, clock, {EAB_KEY_ID: EAB_KEY})
        self.rest = Rest(USER, PASSWORD, CLIENT_ID, (f"{CA_NAME} Issuing CA",), dials, clock)
        self._dials = dials
        self._parts: dict[str, Handler] = {
            "/cmp": self.cmp.answer,
            "/.well-known/est/": self.est.answer,
            "/scep/": self.scep.answer,
            "/acme/": self.acme.answer,
            "/auth/": self.rest.answer,
            "/emCAServices/": self.rest.answer,
        }
        self.credentials = self._account()

    def answer(self, asked: Asked) -> Reply:
        """Hand a request to the protocol that has its path."""
        part = next((answer for start, answer in self._parts.items() if asked.path.startswith(start)), None)
        if part is None:
            return Reply(404, b"<html><body>HTTP Status 404 - Not Found</body></html>", "text/html")
        # The documents have the address checked for the external application: EST and REST (section 4.1).
        if self._dials.now.foreign_address and part in {self.est.answer, self.rest.answer}:
            return Reply(403, b"Source IP is not registered.", "text/plain")
        return part(asked)

    def _account(self) -> dict[str, Any]:
        officer = self.scep.registration()
        self.cmp.guard.officers.append(x509.load_pem_x509_certificate(officer["certificate"].encode()))
        return {
            "username": USER,
            "password": PASSWORD,
            "issuing_ca": f"{CA_NAME} Issuing CA",
            "subscriber_id": SUBSCRIBER,
            "client_id": CLIENT_ID,
            "cmp_secret": CODE,
            "officer": officer["certificate"] + officer["key"],
            "ca": self.cmp.guard.issuer.public_bytes(Encoding.PEM).decode(),
            "eab_key_id": EAB_KEY_ID,
            "eab_hmac_key": EAB_KEY,
            "paths": PATHS,
        }

    def approve(self, asked: Asked) -> Reply:
        """Let an officer approve everything that waits, over every protocol."""
        return self._decide(asked, "approved")

    def refuse(self, asked: Asked) -> Reply:
        """Let an officer refuse everything that waits."""
        return self._decide(asked, "refused")

    def _decide(self, asked: Asked, decision: str) -> Reply:
        self.cmp.decide(decision)
        self.est.decide(asked, decision)
        return json_reply({"decided": decision, "scep": self.scep.book.decide(decision)})

    def state(self) -> dict[str, Any]:
        """Return what every protocol keeps."""
        return {
            "cmp": self.cmp.state(),
            "est": self.est.state(),
            "scep": self.scep.book.state(),
            "acme": self.acme.state(),
        }


def _examples(account: dict[str, Any]) -> list[Example]:
    common = {name: account[name] for name in ("username", "password", "issuing_ca", "subscriber_id")}
    ways: dict[str, dict[str, Any]] = {
        "cmp": {"cmp_secret": account["cmp_secret"]},
        "est": {},
        "scep": {"credential_file": account["officer"], "scep_authorization": "certificate"},
        "acme": {
            "eab_key_id": account["eab_key_id"],
            "eab_hmac_key": account["eab_hmac_key"],
            "acme_terms": True,
            "acme_validation": "http-01",
        },
    }
    return [
        Example(
            connector=f"emCA by {name.upper()} (simulated)",
            profile=f"Private TLS by {name.upper()} (simulated)",
            settings={**common, "transport": name, "path": PATHS[name], **more},
            validity_days=90 if name != "scep" else 30,
        )
        for name, more in ways.items()
    ]
