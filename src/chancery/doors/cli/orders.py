"""Commands about orders. A key that is made here never leaves this machine; an order is never placed twice."""

from __future__ import annotations

import json
import re
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, Json, Stop, counted, hint, minute, plain, progress, say, show, stop
from chancery.doors.cli.rest import Rest

orders = typer.Typer(no_args_is_help=True, help="Requests for certificates.")
_COLUMNS = ("id", "state", "common_name")
_OPEN = frozenset({"awaiting_approval", "queued", "submitting", "pending"})
_MOVING = _OPEN - {"awaiting_approval"}
_STEP = 0.5
_GROUP = 200
_MOST_COMMON = 64
_BEGIN = re.compile(r"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----")
_REQUEST = re.compile(_BEGIN.pattern + r"[^-]*(?:-(?!----)[^-]*)*-----END (?:NEW )?CERTIFICATE REQUEST-----")
Told = Annotated[str, typer.Argument(help="The reason, or the CA's order number.")]
Wait = Annotated[int, typer.Option(min=0, max=60, help="Seconds to wait for the certificate.")]


@orders.command("create")
def orders_create(
    profile: str,
    csr: Annotated[Path | None, typer.Option(help="File with the certificate request, PEM or DER; - reads it.")] = None,
    new_key: Annotated[
        str, typer.Option(help="Make a key here, for example EC-P256; it never leaves this machine.")
    ] = "",
    name: Annotated[
        list[str] | None, typer.Option(help="With --new-key: a name for the certificate (repeatable).")
    ] = None,
    key_out: Annotated[Path, typer.Option(help="With --new-key: a new file for the key, mode 0600.")] = Path("key.pem"),
    days: Annotated[int, typer.Option(min=0, help="Validity; 0 for the profile's.")] = 0,
    comment: str = "",
    idempotency_key: Annotated[str, typer.Option(help="Repeats an order with the key that it was placed with.")] = "",
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Place an order. If the network breaks, what is printed places the same order and never a second one."""
    rest, until = Rest(), time.monotonic() + wait
    if bool(csr) == bool(new_key):
        stop("Give either --csr or --new-key.", "--csr FILE, or --new-key EC-P256 --name www.example.com.", Exit.USAGE)
    key = idempotency_key or str(uuid.uuid4())
    more = {**({"validity_days": days} if days else {}), **({"comment": comment} if comment else {})}
    if csr is not None:
        order = {"profile": profile, "csr": files.request(csr), **more}
        made = _place(rest, order, key, wait, f"the same command and --idempotency-key {key}")
    else:
        made = _with_new_key(rest, {"profile": profile, **more}, key, (new_key, name or [], key_out), wait)
    _show(_followed(rest, made, until), wait, as_json)


def _followed(rest: Rest, order: dict[str, Any], until: float) -> dict[str, Any]:
    """Look again until the order has ended or the time is over: a server with many who wait answers at once."""
    try:
        with _waiting(order["state"] in _MOVING):
            while order["state"] in _MOVING and (left := until - time.monotonic()) > 0:
                time.sleep(min(_STEP, left))
                order = rest.call("GET", f"/orders/{order['id']}")
    except KeyboardInterrupt:
        hint(f"The order goes on: `chancery orders show {order['id']}` says how it stands.")
        raise
    return order


def _waiting(really: object) -> AbstractContextManager[object]:
    return progress("Waiting for the certificate") if really else nullcontext()


def _say_why(order: dict[str, Any], as_json: bool) -> None:
    if order["reason"] and not as_json:
        print(plain(order["reason"]))


def _with_new_key(
    rest: Rest, order: dict[str, Any], key: str, wanted: tuple[str, list[str], Path], wait: int
) -> dict[str, Any]:
    label, names, key_out = wanted
    state = key_out.with_name(f"{key_out.name}.order")
    files.absent(key_out, "--key-out")
    files.absent(state, "--key-out")
    private, order["csr"] = _new_request(label, names)
    files.make(key_out, private, "--key-out")
    try:
        files.make(state, json.dumps({"order": order, "idempotency_key": key}, indent=2).encode(), "--key-out")
    except Stop:
        # Nothing was sent, so the key is nobody's.
        key_out.unlink()
        raise
    try:
        made = _place(rest, order, key, wait, f"`chancery orders resume {state}`")
    except Stop as stopped:
        if stopped.settled:
            state.unlink()
            key_out.unlink()
            hint(f"          No order was placed, so the new key {key_out} was removed.")
        raise
    state.unlink()
    return made


@orders.command("resume")
def orders_resume(
    file: Annotated[Path, typer.Argument(help="The .order file beside the key.")],
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Place an order again whose answer never came; the server knows whether it has it already."""
    try:
        saved = json.loads(files.text(file, "FILE"))
        order, key = dict(saved["order"]), str(saved["idempotency_key"])
    except (ValueError, KeyError, TypeError, RecursionError):
        stop(f"{file} is not what `orders create --new-key` leaves.", "Give the .order file.", Exit.USAGE)
    rest, until = Rest(), time.monotonic() + wait
    made = _place(rest, order, key, wait, f"`chancery orders resume {file}`")
    file.unlink()
    _show(_followed(rest, made, until), wait, as_json)


def _place(rest: Rest, order: dict[str, Any], key: str, wait: int, again: str) -> dict[str, Any]:
    headers = {"Idempotency-Key": key, **({"Prefer": f"wait={wait}"} if wait else {})}
    try:
        with _waiting(wait):
            made: dict[str, Any] = rest.call("POST", "/orders", order, headers=headers)
    except (Stop, KeyboardInterrupt) as broken:
        # Whoever grows tired of waiting does not know the key under which it was sent either.
        if not isinstance(broken, Stop) or not broken.settled:
            hint(f"          It may have been placed. Repeat it with {again}: there will be one order.")
        raise
    return made


def _show(order: dict[str, Any], wait: int, as_json: bool) -> None:
    show([order], _COLUMNS, order, as_json)
    _say_why(order, as_json)
    if wait and order["state"] in _OPEN:
        raise Stop(Exit.STILL_OPEN)
    if order["state"] not in {*_OPEN, "issued"}:
        raise Stop(Exit.REFUSED, settled=True)


def _new_request(label: str, names: list[str]) -> tuple[bytes, str]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from chancery.core import csr, keys, pem
    from chancery.core.errors import Invalid
    from chancery.core.names import parse_name

    if label not in keys.available_key_labels() or not names:
        known = ", ".join(keys.available_key_labels())
        stop(f"--new-key {label} needs a known kind and --name.", f"Kinds: {known}.", Exit.USAGE)
    key = keys.generate(label)
    try:
        parsed = [parse_name(n) for n in names]
    except Invalid as error:
        stop(f"--name: {error}", "Write host names, addresses of hosts or mailboxes.", Exit.USAGE)
    # A common name has 64 characters at most (RFC 5280, appendix A.1); the names themselves are not limited by it.
    built = csr.build(key, parsed, next((n for n in names if len(n) <= _MOST_COMMON), ""))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, pem.encode("CERTIFICATE REQUEST", built)


@orders.command("batch")
def orders_batch(
    profile: str,
    file: Annotated[Path, typer.Argument(help="Certificate requests as PEM, one after the other; - reads them.")],
    run: Annotated[str, typer.Option(help="Repeats a run: what it has placed already is not placed again.")] = "",
    as_json: Json = False,
) -> None:
    """Place an order for each request of a file; one line says what became of each."""
    found = _requests(file)
    rest, run = Rest(), run or uuid.uuid4().hex
    hint(f"Run {run}: {len(found)} orders.")
    items = [{"profile": profile, "csr": csr, "idempotency_key": f"{run}-{n}"} for n, csr in enumerate(found, 1)]
    results: list[dict[str, Any]] = []
    for start in counted(range(0, len(items), _GROUP), f"{len(items)} orders"):
        results += _group(rest, items[start : start + _GROUP], start, run, as_json)
    if as_json:
        print(json.dumps({"run": run, "results": results}, indent=2))
    if any("problem" in result for result in results):
        raise Stop(Exit.REFUSED, settled=True)


def _requests(file: Path) -> list[str]:
    """Return the requests of a file; one that has no end ends the command, before any of the others is sent."""
    text = files.text(file, "FILE")
    whole = {match.start(): match[0] for match in _REQUEST.finditer(text)}
    begun = [match.start() for match in _BEGIN.finditer(text)]
    if not begun:
        stop(f"{file}: there is no certificate request in it.", "Give PEM files, one after the other.", Exit.USAGE)
    for number, start in enumerate(begun, 1):
        if start not in whole:
            line = text.count("\n", 0, start) + 1
            wrong = f"{file}: request {number}, which begins in line {line}, has no end."
            stop(wrong, "The file may have been cut off; nothing was sent.", Exit.USAGE)
    return list(whole.values())


def _group(
    rest: Rest,
    items: list[dict[str, str]],
    start: int,
    run: str,
    as_json: bool,
) -> list[dict[str, Any]]:
    try:
        answered: list[dict[str, Any]] = rest.call("POST", "/orders/batch", {"orders": items})["results"]
    except Stop as stopped:
        if not stopped.settled:
            hint(f"          Repeat the command with --run {run}: what was placed is not placed again.")
        raise
    for number, result in enumerate(answered, start + 1):
        if not as_json:
            print(plain(f"{number} {result['status']} {result.get('id') or result['problem']['detail']}"))
    return answered


@orders.command("list")
def orders_list(
    state: str = "",
    search: Annotated[str, typer.Option(help="Beginning of a name.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 50,
    as_json: Json = False,
) -> None:
    """List orders, newest first."""
    whole = Rest().listing("/orders", limit, state=state, search=search)
    show(whole["items"], _COLUMNS, whole, as_json)


@orders.command("show")
def orders_show(ident: str, as_json: Json = False) -> None:
    """Show an order with its timeline."""
    order = Rest().call("GET", f"/orders/{ident}")
    if not as_json:
        show([order], _COLUMNS, order, as_json=False)
        _say_why(order, as_json)
        print()
    lines = [{**line, "at": minute(line["at"])} for line in order["timeline"]]
    show(lines, ("at", "kind", "actor", "text"), order, as_json)


def _command(name: str, about: str, field: str = "") -> None:
    def act(ident: str, body: Any, *, as_json: bool) -> None:
        order = Rest().call("POST", f"/orders/{ident}/{name}", body)
        say(f"{order['common_name']} is {order['state'].replace('_', ' ')}.", order, as_json)
        _say_why(order, as_json)

    def bare(ident: str, as_json: Json = False) -> None:
        act(ident, None, as_json=as_json)

    def told(ident: str, text: Told, as_json: Json = False) -> None:
        act(ident, {field: text}, as_json=as_json)

    orders.command(name, help=about)(told if field else bare)


def _lines(statements: list[dict[str, str]]) -> list[str]:
    return [f"  - {one['text']}" for one in statements]


@orders.command("explain")
def orders_explain(ident: str, as_json: Json = False) -> None:
    """Say why an order stands where it stands, what it waits for, and what makes it go on."""
    found = Rest().call("GET", f"/orders/{ident}/explanation")
    parts = {"Decided so far": "decided", "Waits for": "waits_for", "Goes on with": "goes_on"}
    text = [found["summary"]]
    for title, name in parts.items():
        text += [f"{title}:", *_lines(found[name])] if found[name] else []
    say("\n".join(text), found, as_json)


@orders.command("evidence")
def orders_evidence(ident: str, as_json: Json = False) -> None:
    """Show what was sent for an order, what came back, what was searched for, and how it settles."""
    found = Rest().call("GET", f"/orders/{ident}/evidence")
    if as_json:
        say("", found, as_json)
        return
    for name, value in found["sent"].items():
        print(plain(f"{name.replace('_', ' ')}: {'' if value is None else value}"))
    print(plain(f"came back: {found['arrived']['text'] if found['arrived'] else 'nothing is recorded'}"))
    print(plain(f"settles: {found['settling']['way']}"))
    print(plain(f"looked for next: {minute(found['settling']['next_look_at']) or 'not by itself'}"))
    searches = [{**one, "at": minute(one["at"])} for one in found["searches"]]
    earlier = [{**one, "at": minute(one["submitted_at"])} for one in found["earlier"]]
    for title, rows, columns in (
        ("Searches:", searches, ("at", "times", "text")),
        ("Earlier calls:", earlier, ("at", "reference", "state", "text", "finding")),
    ):
        if rows:
            print(title)
            show(rows, columns, rows, as_json=False)
    print(plain("\n".join(found["risk"])))


@orders.command("asked-again")
def orders_asked_again(as_json: Json = False) -> None:
    """List the requests to order again that wait for a second person."""
    whole = Rest().call("GET", "/again-requests")
    rows = [{**one, "expires": minute(one["expires_at"])} for one in whole["items"]]
    show(rows, ("order", "common_name", "asked_by", "reason", "expires"), whole, as_json)


_command("order-again", "Ask that an order with an unknown outcome be sent anew, with a reason.", "reason")
_command("confirm-again", "Agree, as the second person, that an order is sent anew.")
_command("refuse-again", "Refuse, as the second person, that an order is sent anew, with a reason.", "reason")
_command("approve", "Let a held order go ahead, or the next one for the same of an ACME client, which does not wait.")
_command("take-back", "Have an approval that waits for a client's next order count no more, with a reason.", "reason")
_command("deny", "Refuse a held order, with a reason.", "reason")
_command("cancel", "Withdraw an order, at the CA too where it can.")
_command("release", "Have an order issued that waits for a manager of its CA, where the connector may decide there.")
_command("confirm", "Accept what an order warns of that waits for a confirmation, and send it.")
_command("adopt", "Settle an unknown outcome by the CA's order number.", "reference")
_command(
    "give-up", "End an order whose outcome stays unknown, or that its CA cannot withdraw, with a reason.", "reason"
)
