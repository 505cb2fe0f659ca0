"""The server: IIS's login, then the pages of Web Enrollment over one CA database."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.adcs.simulator import numbers
from chancery.authorities.adcs.simulator.database import Database
from chancery.authorities.adcs.simulator.dials import AdcsDials
from chancery.authorities.adcs.simulator.issuing import Issuer
from chancery.authorities.adcs.simulator.manager import Manager
from chancery.authorities.adcs.simulator.pages import Pages
from chancery.authorities.adcs.simulator.posting import parsed
from chancery.authorities.adcs.simulator.retrieving import Retrieving
from chancery.authorities.adcs.simulator.templates import TEMPLATES
from chancery.authorities.adcs.simulator.words import LANGUAGES
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.ldap.simulator import Directory
from chancery.protocols.negotiate.simulator import tls
from chancery.protocols.negotiate.simulator.access import DOMAIN, PASSWORD, USER, Acceptor, Access
from chancery.sandbox.certsrv import Row, State, Template
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Example, Reply, Router, Simulator
from chancery.sandbox.ledger import Ledger

NAME = "adcs"
CA = "Sandbox AD CS Issuing CA"
_BEFORE = 3
"""Rows that the CA has from before."""
_LINE = re.compile(r"\s*([^:]{1,100}):(.*)")


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    standalone: bool = False,
    secure: bool = False,
    acceptor: Acceptor | None = None,
    name: str = CA,
    templates: tuple[Template, ...] = TEMPLATES,
) -> Windows:
    """Return a simulator of the pages that is not yet started; other faces may show its `database` as well.

    A `standalone` CA has no templates, and a manager approves all its requests. With `secure` it speaks TLS, with a
    certificate whose root stands in `credentials["trust_pem"]`. `acceptor` replaces the acceptor of logins.
    """
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(AdcsDials)
    shifted = ShiftedClock(clock)
    front = tls.make() if secure else None
    # A CA is older than its oldest certificate.
    issuer = Issuer(shifted.now() - timedelta(days=30), name)
    database = Database(issuer, ledger, dials, shifted, templates, standalone=standalone)
    server = Server(database, dials, shifted, front=front, acceptor=acceptor)
    made = Windows(NAME, server.answer, prefix="", ledger=ledger, dials=dials, clock=shifted)
    made.tls = front.context if front else None
    made.database = database
    made.state = database.as_dict
    made.doors = Manager(database, shifted).doors()
    made.credentials = server.credentials(front)
    made.examples = [] if standalone else _examples(made.credentials)
    return made


class Face(Protocol):
    """What goes up and down with the pages."""

    def up(self) -> None:
        """Listen, on the same ports as before."""
        ...

    def down(self) -> None:
        """Stop listening."""
        ...


class Windows(Simulator):
    """The web server of the pages; other faces of AD CS may go up and down with it."""

    database: Database
    ldap: Directory
    _faces: tuple[Face, ...] = ()
    _shown: Callable[[], list[Example]] | None = None

    def join(self, *faces: Face, shown: Callable[[], list[Example]]) -> None:
        """Take other faces in; `shown` gives the examples of all, and is asked once their ports are known."""
        self._faces, self._shown = faces, shown

    def start(self) -> None:
        """Serve on free ports of the loopback address."""
        super().start()
        if self._shown is not None:
            self.examples = self._shown()

    def up(self) -> None:
        """Listen, on the same ports as before."""
        super().up()
        for face in self._faces:
            face.up()

    def down(self) -> None:
        """Stop listening."""
        for face in self._faces:
            face.down()
        super().down()


class Server:
    """One web server and the CA behind it."""

    def __init__(
        self,
        database: Database,
        dials: Dials,
        clock: ShiftedClock,
        *,
        front: tls.Front | None,
        acceptor: Acceptor | None,
    ) -> None:
        self._dials, self._clock, self._database = dials, clock, database
        self._retrieving = Retrieving(database, dials, clock)
        self._access = Access(
            dials, front, acceptor=acceptor, refused=lambda: LANGUAGES[self._dials.now.language]["refused"]
        )
        self._router = self._routes()
        self._seed()

    def _seed(self) -> None:
        for n in range(_BEFORE):
            self._database.seed(self._clock.now() - timedelta(days=_BEFORE - n), f"{DOMAIN}\\somebody")

    def _routes(self) -> Router:
        router = Router()
        for method, page, handler in (
            ("GET", "", lambda _: self._html(self.pages.welcome())),
            (
                "GET",
                "certcarc.asp",
                lambda _: self._html(self.pages.ca_certificates(len(self._database.issuer.renewals) - 1)),
            ),
            ("GET", "certrqxt.asp", self._form),
            ("POST", "certfnsh.asp", self._finish),
            ("GET", "certnew.cer", lambda asked: self._retrieving.certificate(asked, self.pages)),
            ("GET", "certnew.p7b", lambda asked: self._retrieving.bundle(asked, self.pages)),
            ("GET", "certcrl.crl", self._retrieving.crl),
        ):
            router.add(method, f"/certsrv/{re.escape(page)}", handler)
        return router

    def _form(self, asked: Asked) -> Reply:
        account = asked.connection["caller"]
        shown = [t for t in self._database.templates if t.published and t.lets(account)]
        return self._html(self.pages.form([] if self._dials.now.unlisted else shown))

    @property
    def pages(self) -> Pages:
        """Return the pages in the language of the moment."""
        now = self._dials.now
        return Pages(LANGUAGES[now.language], "" if now.nameless else self._database.issuer.name)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request: IIS first, then its pages."""
        return self._access.ended(self._answer(asked))

    def _answer(self, asked: Asked) -> Reply:
        now = self._dials.now
        if now.throttle or asked.throttled:
            headers = {"Retry-After": now.retry_after} if now.retry_after else {}
            return Reply(429, b"", "text/html", headers=headers)
        if now.portal:
            return Reply(302, b"", "text/html", headers={"Location": "http://login.sandbox.example/"})
        account = self._access.admit(asked)
        if isinstance(account, Reply):
            return account
        handler = self._router.find(asked)
        if handler is None:
            return self._html(b"<html><title>404 - File or directory not found.</title></html>", 404)
        asked.connection["caller"] = account
        return handler(asked)

    @staticmethod
    def _html(body: bytes, status: int = 200, *, acted: bool = False) -> Reply:
        return Reply(status, body, "text/html; Charset=UTF-8", acted=acted)

    def _finish(self, asked: Asked) -> Reply:
        """certfnsh.asp: a new request, or a look at one that waits."""
        fields = {name: values[0] for name, values in parse_qs(asked.body.decode("ascii", "replace")).items()}
        if fields.get("Mode") == "chkpnd":
            return self._html(self._standing(fields.get("ReqID", "")))
        if fields.get("Mode") != "newreq":
            return self._html(self.pages.error(self.pages.disposition(0), "", result=0x80070057))
        if self._dials.now.ca_stopped:
            code = numbers.UNAVAILABLE
            return self._html(self.pages.error(self.pages.disposition(0), numbers.sentence(code), result=code))
        lines = (_LINE.match(line) for line in fields.get("CertAttrib", "").splitlines())
        attributes = [(m[1].strip(), m[2].strip()) for m in lines if m]
        name = next((value for name, value in attributes if name.lower() == "certificatetemplate"), "")
        text = "\r\n".join(":".join(pair) for pair in attributes)
        request = parsed(fields.get("CertRequest", ""))
        row = self._database.enrol(request, name, asked.connection["caller"], text)
        return self._html(self._result(row, new=True), acted=row.state in {State.ISSUED, State.PENDING})

    def _standing(self, number: str) -> bytes:
        row = self._retrieving.row(number)
        return self._retrieving.error(None, self.pages) if row is None else self._result(row, new=False)

    def _result(self, row: Row, *, new: bool) -> bytes:
        if row.state is State.ISSUED:
            return self.pages.issued(row.number)
        if row.state is State.REVOKED:
            return self.pages.revoked(row.number)
        if row.state is State.PENDING:
            return self.pages.pending(row.number, new=new)
        if row.state is State.FAILED:
            return self.pages.error(f"{row.code:x} - ", row.message, result=row.code, last=row.code)
        return self.pages.denied(row.number, row.message)

    def credentials(self, front: tls.Front | None) -> dict[str, Any]:
        """Return what an administrator would be told."""
        trust = (
            {"trust_pem": front.root_pem, "client_pem": front.client_pem, "client_key": front.client_key}
            if front
            else {}
        )
        return {
            "username": f"{DOMAIN}\\{USER}",
            "password": PASSWORD,
            "ca_name": self._database.issuer.name,
            "template": TEMPLATES[0].name,
            "ca": self._database.issuer.renewals[0].issuing.public_bytes(Encoding.PEM).decode(),
            **trust,
        }


def _examples(known: dict[str, Any]) -> list[Example]:
    shown = {"WebServer2": "Web Server, half a year", "WebServerApproved": "Web Server, approved by a manager"}
    settings = {
        "authentication": "ntlm",
        "username": known["username"],
        "password": known["password"],
        "ca_name": known["ca_name"],
        "templates": "\n".join(f"{name} = {label}" for name, label in shown.items()),
    }
    return [
        Example(
            connector="AD CS by Web Enrollment (simulated)",
            profile="Windows web server (simulated)",
            settings=settings,
            product={"template": "WebServer2"},
            validity_days=180,
        )
    ]
