"""Every way into AD CS at once: the pages, the web services and RPC of one CA with one database, and the directory."""

from __future__ import annotations

from typing import Any

from chancery.authorities.adcs.simulator import service
from chancery.authorities.adcs.simulator.dials import WindowsDials
from chancery.authorities.adcs.simulator.directory import DANGEROUS, Ca, Shown, entries, root
from chancery.authorities.adcs.simulator.templates import LABELS
from chancery.authorities.adcs.simulator.templates import TEMPLATES as PAGES
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.ldap.simulator import Directory, Kept
from chancery.protocols.msrpc import simulator as rpc
from chancery.protocols.negotiate.simulator import tls
from chancery.protocols.negotiate.simulator.access import admit_also
from chancery.protocols.wstep import simulator as soap
from chancery.sandbox.certsrv import TEMPLATES, Template
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Example, Simulator
from chancery.sandbox.ledger import Ledger

_SHOWN = {"WebServer30": "Web server, a month", "ApprovedServer": "Web server, approved by a manager"}


def build(*, clock: Clock = SYSTEM_CLOCK, ledger: Ledger | None = None, dials: Dials | None = None) -> service.Windows:
    """Return a simulator that is not yet started; all of its faces have one ledger and one set of dials.

    What came in by one of them is seen by all: `POST /services/approve` and `/services/refuse` decide about every request
    that waits, as `/approve` and `/deny` do.
    """
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(WindowsDials)
    every = (*PAGES, *TEMPLATES)
    made = service.build(clock=clock, ledger=ledger, dials=dials, name=soap.CA_NAME, templates=every)
    shared: dict[str, Any] = {"clock": made.clock, "ledger": ledger, "dials": dials, "database": made.database}
    behind, web = rpc.build(**shared, ca=soap.CA_NAME), soap.build(**shared)
    pages, by_pages = made.state, made.examples
    made.state = lambda: {**pages(), "services": web.state()}
    made.doors |= {(method, f"/services{path}"): door for (method, path), door in web.doors.items()}
    front = tls.make()
    made.ldap = directory = Directory(lambda: _kept(made), root, front, dials)
    domain, _, user = rpc.USER.partition("\\")
    admit_also(domain, user, rpc.PASSWORD)

    def examples() -> list[Example]:
        return [*by_pages, _by_services(web, behind.port), _by_rpc(behind, directory)]

    made.join(web, behind, directory, shown=examples)
    return made


def _kept(pages: service.Windows) -> list[Kept]:
    """Return what the directory has: the CA's templates as they are, and some that a careless forest has beside them."""
    there = pages.database
    published = [one.name for one in there.templates if one.published]
    ca = Ca(soap.CA_NAME, "ca01.example.test", there.ca.issuing, (*published, *(d.name for d in DANGEROUS)))
    return entries([ca], [*map(_shown, there.templates), *DANGEROUS])


def _shown(one: Template) -> Shown:
    # The directory names its accounts; "everybody" at the CA is our account alone for the templates of the pages.
    who = frozenset({"svc-chancery"}) if one in PAGES and "*" in one.accounts else one.accounts
    return Shown(
        one.name, one.oid, LABELS.get(one.name, one.name), one.days, who, supplies=one.supplies, pends=one.pends,
        minimal_key=one.minimal_key, signatures=one.signatures, archives=one.archives, usages=one.usages,
    )  # fmt: skip


def _by_services(web: Simulator, port: int) -> Example:
    known = web.credentials
    settings = {
        "transport": "ces",
        "authentication": "usernametoken",
        "username": known["user"],
        "password": known["password"],
        "policy_path": known["policy"],
    }
    return _example("CEP and CES", settings, port, web.url)


def _by_rpc(behind: rpc.RpcSimulator, directory: Directory) -> Example:
    known = behind.credentials
    settings = {
        "transport": "rpc",
        "template_source": "ldap",
        "directory_host": "localhost",
        "directory_port": directory.tls_port,
        "directory_trust": directory.front.root_pem,
        "authentication": "ntlm",
        "username": known["user"],
        "password": known["password"],
    }
    return _example("RPC", settings, behind.port, behind.url)


def _example(by: str, settings: dict[str, Any], port: int, url: str) -> Example:
    """Return a connector with a managing account, so that it can revoke, cancel, search and list."""
    managing = {"manager_username": rpc.MANAGER, "manager_password": rpc.PASSWORD, "rpc_port": port}
    typed = "\n".join(f"{name} = {label}" for name, label in _SHOWN.items())
    return Example(
        connector=f"AD CS by {by} (simulated)",
        profile=f"Windows web server by {by} (simulated)",
        settings={"ca_name": soap.CA_NAME, "templates": typed, **settings, **managing},
        product={"template": "WebServer30"},
        base_url=url,
        validity_days=30,
    )
