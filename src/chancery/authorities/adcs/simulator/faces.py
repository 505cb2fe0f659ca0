"""Every way into AD CS at once: the pages of one CA, and the web services and RPC of another one in the same house."""

from __future__ import annotations

from typing import Any

from chancery.authorities.adcs.simulator import service
from chancery.authorities.adcs.simulator.dials import WindowsDials
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.msrpc import simulator as rpc
from chancery.protocols.wstep import simulator as soap
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
    made.join(web, behind, shown=lambda: [*by_pages, _by_services(web, behind.port), _by_rpc(behind)])
    return made


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


def _by_rpc(behind: rpc.RpcSimulator) -> Example:
    known = behind.credentials
    settings = {
        "transport": "rpc",
        "authentication": "ntlm",
        "username": known["user"],
        "password": known["password"],
    }
    return _example("RPC", settings, behind.port, behind.url)


def _example(by: str, settings: dict[str, Any], port: int, url: str) -> Example:
    """Return a connector with a managing account, so that it can revoke, cancel, search and list."""
    managing = {"manager_username": rpc.MANAGER, "manager_password": rpc.PASSWORD, "rpc_port": port}
    templates = "\n".join(f"{name} = {label}" for name, label in _SHOWN.items())
    return Example(
        connector=f"AD CS by {by} (simulated)",
        profile=f"Windows web server by {by} (simulated)",
        settings={"ca_name": soap.CA_NAME, "templates": templates, **settings, **managing},
        product={"template": "WebServer30"},
        base_url=url,
        validity_days=30,
    )
