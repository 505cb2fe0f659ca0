"""How the CA's machine is reached, for *Test connection*: its name, the endpoint mapper, and the port behind it."""

from __future__ import annotations

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.connect import Guard
from chancery.net.progress import Failed, Progress
from chancery.protocols.hresult import Explain
from chancery.protocols.msrpc.calls import ICPR
from chancery.protocols.msrpc.channel import Wire
from chancery.protocols.msrpc.endpoints import port_of
from chancery.protocols.msrpc.faults import PORTS
from chancery.protocols.msrpc.settings import EnrollBy, MsrpcSettings
from chancery.sdk.diagnosis import SENTENCES
from chancery.sdk.errors import AuthorityError
from chancery.sdk.finding import Finding, Level


def reach(wire: Wire, settings: MsrpcSettings, explain: Explain) -> list[Finding]:
    """Return the findings of the stages name and TCP. Nobody logs in for them.

    By MS-ICPR the endpoint mapper tells where the CA listens, and that port is connected to as well; where an object listens
    (DCOM) is told only to those who may make one, so that it shows at the stage login.
    """
    host, port = settings.host, settings.port
    try:
        progress = _connected(wire, host, port)
    except Failed as failed:
        return _unreached(failed, f"the endpoint mapper, port {port}")
    name = Finding("name", Level.OK, "ok", "The name resolves.", ", ".join(progress.addresses))
    if settings.enroll_by is EnrollBy.DCOM:
        text = "The endpoint mapper's port answers; where the CA's objects listen, it tells after the login."
        return [name, Finding("tcp", Level.OK, "ok", text, progress.peer)]
    try:
        behind = port_of(ICPR, wire, host, port, explain)
    except AuthorityError as error:
        return [
            name,
            Finding("tcp", Level.FAILED, error.code or error.kind, error.message, progress.peer, error.remedy),
        ]
    try:
        further = _connected(wire, host, behind)
    except Failed as failed:
        return [name, _unreached(failed, f"the CA's own port {behind}, which the endpoint mapper names")[-1]]
    text = "The endpoint mapper answers, and so does the port that it names for enrolment."
    return [name, Finding("tcp", Level.OK, "ok", text, f"{progress.peer}; {further.peer}")]


def _connected(wire: Wire, host: str, port: int) -> Progress:
    """Connect and close; return how that went. Raises `Failed`."""
    progress = Progress(SYSTEM_CLOCK.monotonic() + wire.timeout)
    Guard(wire.policy, lambda: progress, resolver=wire.resolver).connect_tcp(host, port).close()
    return progress


def _unreached(failed: Failed, what: str) -> list[Finding]:
    message, remedy = SENTENCES[failed.cause]
    addresses = ", ".join(failed.progress.addresses)
    if failed.progress.stage == "name":
        wrong = Finding("name", Level.FAILED, failed.cause.value, message, failed.text, remedy)
        return [wrong, Finding("tcp", Level.SKIPPED, "not_reached", "Not reached.")]
    wrong = Finding("tcp", Level.FAILED, failed.cause.value, f"{message} It was to {what}.", failed.text, PORTS)
    return [Finding("name", Level.OK, "ok", "The name resolves.", addresses), wrong]
