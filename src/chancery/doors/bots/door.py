"""The bots' door: each message of `chancery_bot.wire` at an address of its own, signed by the bot's key.

A bot opens every connection itself; nothing here ever calls one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chancery_bot import wire
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from chancery.apps.bots import channel
from chancery.apps.bots.models import Bot
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Absent, ChanceryError
from chancery.doors import lengths
from chancery.doors.problems import PROBLEM_JSON, Refusal, problem, status

Handler = Callable[[Bot, Any, str], wire.Message]


def answer(request: HttpRequest, what: str) -> HttpResponse:
    """Answer one message; a refusal is a problem document with the server's time in `Date`."""
    try:
        body, version = _answer(request, what)
        response = HttpResponse(wire.write(body, version), content_type="application/json")
    except ChanceryError as error:
        response = HttpResponse(json.dumps(problem(error)), status=status(error)[0], content_type=PROBLEM_JSON)
    response.headers["Date"] = http_date(current_clock().now().timestamp())
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest, what: str) -> tuple[wire.Message, int]:
    if request.method != "POST":
        raise Refusal(405, "method", "method", "Bots send POST.", "Send POST.")
    if what != "enrol" and what not in _MESSAGES:
        raise Absent("message", what)
    signed, address = _signed(request), request.META.get("REMOTE_ADDR", "")
    if what == "enrol":
        return _enrol(request, signed, _body(request), address)
    model, handle = _MESSAGES[what]
    # Before anything of it is read: nobody but a bot has us keep a message in memory.
    bot = channel.known(signed.bot)
    body = _body(request) if bot is not None else b""
    bot = _proven(request, signed, bot, body, address)
    given, version = _read(model, body)
    return handle(bot, given, address), version


def _enrol(request: HttpRequest, signed: wire.Signed, body: bytes, address: str) -> tuple[wire.Message, int]:
    """Take a key on whose holder signed this very message, for a token."""
    given, version = _read(wire.Enrol, body)
    try:
        key = wire.public_key(given.public_key)
    except wire.WireError as error:
        raise _malformed(str(error)) from None
    if not wire.verify(key, "POST", request.path, body, signed) or signed.machine != given.host.machine:
        raise _unproven("signature", "The message is not signed by the key that it brings.")
    _in_time(signed)
    bot = channel.enrol(given, address)
    return wire.Enrolled(bot=bot.pk, name=bot.name, poll_seconds=bot.poll_seconds), version


def _proven(request: HttpRequest, signed: wire.Signed, bot: Bot | None, body: bytes, address: str) -> Bot:
    """Return the bot that signed this message, now, on its own machine, for the first time."""
    if bot is None or not wire.verify(wire.public_key(bot.public_key), "POST", request.path, body, signed):
        raise _unproven("signature", "No bot of this server signed this.")
    _in_time(signed)
    if signed.machine != bot.machine:
        channel.cloned(bot, signed.machine, address)
        detail = "This bot was enrolled on another machine."
        raise Refusal(403, "cloned_host", "machine", detail, "Give this host a bot of its own, or enrol it anew.")
    if not channel.spend(bot, signed.nonce):
        raise _unproven("replayed", "This very message has been received before.")
    return bot


def _in_time(signed: wire.Signed) -> None:
    if abs(current_clock().now().timestamp() - signed.time) > wire.SKEW:
        raise _unproven("clock", f"It is signed for a time more than {wire.SKEW} seconds from the server's.")


def _signed(request: HttpRequest) -> wire.Signed:
    try:
        return wire.parse_authorization(request.headers.get("Authorization", ""))
    except wire.WireError as error:
        raise _unproven("unsigned", str(error)) from None
    except ValueError:
        raise _unproven("unsigned", "The Authorization header holds what is not ASCII.") from None


def _unproven(code: str, text: str) -> Refusal:
    return Refusal(401, code, "Authorization", text, "Set the host's clock, or enrol the bot anew.")


def _body(request: HttpRequest) -> bytes:
    limit = lengths.most(request.path)
    found = lengths.body(request, limit)
    if found is None:
        raise Refusal(413, "too_long", "body", f"The message has more than {limit} bytes.", "Send less at once.")
    return found


def _read(model: type[wire.M], body: bytes) -> tuple[wire.M, int]:
    try:
        return wire.read(model, body)
    except wire.WireError as error:
        raise _malformed(str(error)) from None


def _malformed(text: str) -> Refusal:
    return Refusal(400, "malformed", "body", text, "Update the bot, or the server.")


def _report(bot: Bot, given: wire.Report, address: str) -> wire.Message:
    if not all(_is_moment(record.at) for record in given.records):
        raise _malformed("records: a time has no zone, or lies past the calendar's end in UTC.")
    return wire.Recorded(recorded=channel.report(bot, given.records, address))


def _fetch(bot: Bot, given: wire.Fetch, address: str) -> wire.Message:
    del address
    return channel.fetch(bot, given)


def _is_moment(at: datetime) -> bool:
    try:
        return at.tzinfo is not None and at.astimezone(UTC) is not None
    except OverflowError:
        return False


_MESSAGES: dict[str, tuple[Any, Handler]] = {
    "poll": (wire.Poll, channel.poll),
    "csr": (wire.Ask, channel.ask),
    "certificate": (wire.Fetch, _fetch),
    "report": (wire.Report, _report),
}
"""Address → what is sent there, and what is done with it."""
