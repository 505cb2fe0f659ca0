"""Every way into AD CS at once: the pages of one CA, the web services and RPC of another one, and the directory of both."""

from __future__ import annotations

from typing import Any

from chancery.authorities.adcs.simulator import service, templates
from chancery.authorities.adcs.simulator.dials import WindowsDials
from chancery.authorities.adcs.simulator.directory import DANGEROUS, Ca, Shown, entries, root
from chancery.authorities.adcs.simulator.templates import TEMPLATES as PAGES
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.ldap.simulator import Directory, Kept
from chancery.protocols.msrpc import simulator as rpc
from chancery.protocols.negotiate.simulator import tls
from chancery.protocols.negotiate.simulator.access import admit_also
from chancery.protocols.wstep import simulator as soap
from chancery.sandbox.certsrv import Template
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Example, Simulator
from chancery.sandbox.ledger import Ledger

_SHOWN = {"WebServer30": "Web server, a month", "ApprovedServer": "Web server, approved by a manager"}


def build(*, clock: Clock = SYSTEM_CLOCK, ledger: Ledger | None = None, dials: Dials | None = None) -> service.Windows:
    """Return a simulator that is not yet started; all of its faces have one ledger and one set of dials.

    Beside the control requests of the pages, `POST /services/approve` and `/services/refuse` decide about every request
    that waits at the other CA.
    """
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(WindowsDials)
    made = service.build(clock=clock, ledger=ledger, dials=dials)
    behind = rpc.build(clock=made.clock, ledger=ledger, dials=dials, ca=soap.CA_NAME)
    web = soap.build(clock=made.clock, ledger=ledger, dials=dials, database=behind.database)
    pages, by_pages = made.state, made.examples
    made.state = lambda: {**pages(), "services": web.state()}
    made.doors |= {(method, f"/services{path}"): door for (method, path), door in web.doors.items()}
    front = tls.make()
    made.ldap = directory = Directory(lambda: _kept(made, behind), root, front, dials)
    domain, _, user = rpc.USER.partition("\\")
    admit_also(domain, user, rpc.PASSWORD)

    def examples() -> list[Example]:
        return [*by_pages, _by_services(web, behind.port), _by_rpc(behind, directory)]

    made.join(web, behind, directory, shown=examples)
    return made


def _kept(pages: service.Windows, behind: rpc.RpcSimulator) -> list[Kept]:
    """Return what the directory has of both CAs: their templates as they are, and some that a careless forest has."""
    mine = [_of_pages(one) for one in PAGES if one.published]
    theirs = [_of_services(one) for one in behind.database.templates]
    published = [one.name for one in behind.database.templates if one.published]
    cas = [
        Ca(pages.credentials["ca_name"], "pki.example.test", pages.issuing, tuple(one.name for one in mine)),
        Ca(soap.CA_NAME, "ca01.example.test", behind.database.ca.issuing, (*published, *(d.name for d in DANGEROUS))),
    ]
    return entries(cas, [*mine, *theirs, *DANGEROUS])


def _of_pages(one: templates.Template) -> Shown:
    who = frozenset({"svc-chancery"} if one.open else {"ca-admin"})
    return Shown(
        one.name, one.oid, one.label, one.days, who, supplies=one.supplied, pends=one.pends, minimal_key=one.least_bits,
        signatures=one.agents, archives=one.archives, usages=tuple(use.dotted_string for use in one.uses),
    )  # fmt: skip


def _of_services(one: Template) -> Shown:
    return Shown(
        one.name, one.oid, one.name, one.days, one.accounts, supplies=one.supplies, pends=one.pends,
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
