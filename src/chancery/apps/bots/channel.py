"""What bots do: each function is one message of theirs, in one transaction. Who a bot is, the door has proven."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chancery_bot import kinds as bot_kinds
from chancery_bot import wire
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from chancery.apps.accounts.permissions import BOT
from chancery.apps.audit.record import Note, write
from chancery.apps.bots.actions import digest
from chancery.apps.bots.following import (
    ENGINE,
    asked_by_itself,
    due,
    fail,
    failed,
    in_vain,
    left,
    mind,
    mind_revoked,
    refuse,
    say,
)
from chancery.apps.bots.models import OPEN, UNDER_WAY, Bot, Deployment, DeploymentEvent, LogLine, Nonce, Stage, Target
from chancery.apps.bots.queries import unfit
from chancery.apps.bots.window import opens
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.actions import not_twice
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.causing import Causes, How, causes
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, limits, place
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor, Grant
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import glimpse
from chancery.core.csr import parse
from chancery.core.errors import Absent, ChanceryError, Conflict
from chancery.core.ids import new_id
from chancery.core.names import canonical, parse_name
from chancery.core.order import OPEN as OPEN_ORDERS
from chancery.core.order import RevocationState

KEPT_LINES = 2000
_SILENT_AFTER = 3
_LEAST_SILENCE = timedelta(seconds=60)
_AFTER_ROLLBACK = timedelta(days=1)
_IN_VAIN = (
    "This certificate was never served, and is not deployed again. None is ordered by itself: "
    "order one once its host can deploy it, or edit the target."
)
_LINE_COLUMNS = ("id", "bot_id", "number", "at", "level", "text")


def actor_of(bot: Bot, address: str = "") -> Actor:
    """Return the actor that a bot is: it may do what bots may, in its own team and environment."""
    grants = (Grant(BOT, bot.team_id, bot.environment_id),)
    return Actor(f"bot:{bot.name}", None, "bot key", address, "bot", grants, machine=True)


def known(ident: str) -> Bot | None:
    """Return an enrolled bot by the id that it gives."""
    return by_id(Bot.objects.filter(deleted_at=None).exclude(public_key=""), ident)


def spend(bot: Bot, nonce: str) -> bool:
    """Keep a nonce; says whether it was fresh. It stands in the table, so a restart of the server forgets none."""
    now = current_clock().now()
    Nonce.objects.filter(at__lt=now - timedelta(seconds=3 * wire.SKEW)).delete()
    try:
        with transaction.atomic():
            Nonce.objects.create(bot=bot, text=nonce, at=now)
    except IntegrityError:
        return False
    return True


def cloned(bot: Bot, machine: str, address: str) -> None:
    """Note that another machine came with a bot's key."""
    now = current_clock().now()
    with transaction.atomic():
        said = glimpse(f"{machine[:12]} from {address}", 200)
        if Bot.objects.filter(pk=bot.pk, clone="").update(clone=said):
            note = Note("bot", str(bot.pk), bot.name, team=bot.team_id, outcome="refused", reason="cloned_host")
            write(actor_of(bot, address), "bots.poll", now, [note])


def enrol(given: wire.Enrol, address: str) -> Bot:
    """Give a bot its key, once for each token. The same token with the same key is the answer that was lost."""
    now, host = current_clock().now(), given.host
    with transaction.atomic():
        bot = _of_token(given, now)
        if bot.public_key == given.public_key and bot.machine == host.machine and bot.token_expires_at is None:
            return bot
        if bot.token_expires_at is None or bot.token_expires_at <= now:
            raise _no_token()
        if bot.token_host and bot.token_host.lower() != host.hostname.lower():
            raise Conflict(
                f"This token is for the host {bot.token_host}, and this is {glimpse(host.hostname, 100)}.",
                remedy="Use it there, or make a token for this host.",
                code="wrong_host",
            )
        # The digest stays as long as nobody makes another token, so that a lost answer can be given again.
        bot.token_expires_at, bot.public_key, bot.machine = None, given.public_key, host.machine
        bot.enrolled_by_user_id = bot.token_by_user_id
        bot.enrolled_at, bot.recorded, bot.clone = now, 0, ""
        _seen(bot, host, address, now)
        bot.save()
        write(actor_of(bot, address), "bots.enrol", now, [Note("bot", str(bot.pk), bot.name, team=bot.team_id)])
        return bot


def _of_token(given: wire.Enrol, now: datetime) -> Bot:
    del now
    found = Bot.objects.select_for_update().filter(token_digest=digest(given.token), deleted_at=None).first()
    if found is None:
        raise _no_token()
    return found


def _no_token() -> Conflict:
    return Conflict(
        "This token is unknown, used or expired.", remedy="Make another in the console, under Bots.", code="token"
    )


def poll(bot: Bot, given: wire.Poll, address: str) -> wire.Work:
    """Take a sign of life, and return what there is to do."""
    now = current_clock().now()
    with transaction.atomic():
        bot = _locked(bot)
        _seen(bot, given.host, address, now)
        if given.found is not None:
            bot.found = [f.model_dump(mode="json") for f in given.found if _printable(f)]
        bot.save()
        if bot.stopped_at is not None:
            return wire.Work(standing="stopped", poll_seconds=bot.poll_seconds, recorded=bot.recorded)
        _renewals(bot, now)
        if given.v < wire.ROLLS_BACK:
            _cannot_roll_back(bot, now)
        rows = Deployment.objects.filter(UNDER_WAY, target__bot=bot).select_related("target").order_by("id")
        tasks = [task for row in rows if (task := _task(row, given.host, now)) is not None]
    return wire.Work(poll_seconds=bot.poll_seconds, recorded=bot.recorded, tasks=tasks)


def _printable(found: wire.Found) -> bool:
    """Say whether a form can show what a bot found; a table could not even hold some characters."""
    texts = (found.kind, found.title, *found.names, *found.settings, *map(str, found.settings.values()))
    return all(text.isprintable() for text in texts)


def _seen(bot: Bot, host: wire.Host, address: str, now: datetime) -> None:
    bot.hostname, bot.os, bot.version = (glimpse(t, 190) for t in (host.hostname, host.os, host.bot_version))
    bot.kinds, bot.address, bot.seen_at = list(host.kinds), address[:64], now
    bot.silent_at = now + max(_LEAST_SILENCE, timedelta(seconds=_SILENT_AFTER * bot.poll_seconds))


def _renewals(bot: Bot, now: datetime) -> None:
    """Begin what is due: each target whose certificate should be renewed by now, and has nothing under way.

    While somebody else's order replaces the certificate, the target waits: there is one renewal of a certificate at a time.
    What is served and revoked without anybody having said so is due as well: it may have been deployed in the very moment
    in which its revocation was recorded, or revoked before targets were told of it.
    """
    theirs = Order.objects.filter(replaces=OuterRef("certificate"), state__in=list(OPEN_ORDERS))
    own = Deployment.objects.filter(UNDER_WAY, target=OuterRef("pk"))
    unsaid = Q(certificate__revocation=RevocationState.CONFIRMED, problem="")
    found = bot.targets.filter(unsaid | Q(due_at__lte=now), deleted_at=None).select_related("certificate")
    for target in found.annotate(theirs=Exists(theirs), own=Exists(own)):
        if _gone(target.certificate) and not target.problem:
            target.due_at = now
            mind_revoked(target)
        if not (target.theirs or target.own):
            _renew(target, now)


def _gone(certificate: Certificate | None) -> bool:
    return certificate is not None and certificate.revocation == RevocationState.CONFIRMED


def _renew(target: Target, now: datetime) -> None:
    """Begin a deployment that is due. A certificate that is here and could not be deployed is deployed again instead.

    Once that one may not be served any more, nothing is begun until somebody does something: the next one would be bought to
    the same end, one for each lifetime.
    """
    last = left(target, now) if target.problem else None
    bought = in_vain(target) if last is None else None
    if bought is not None:
        target.due_at = None
        target.save(update_fields=["due_at"])
        say(bought.pk, now, "over", ENGINE, _IN_VAIN, "error")
        return
    row = Deployment(id=new_id(now), target=target, kind="issue", asked_by=ENGINE, created_at=now)
    if last is not None:
        row.kind, row.state, row.certificate, row.key_of = "again", Stage.READY, last.certificate, last.pk
    row.save(force_insert=True)
    say(row.pk, now, "asked", ENGINE, _why(target, again=last is not None))


def _why(target: Target, *, again: bool) -> str:
    """Say why a deployment is begun that nobody asked for."""
    if again:
        return "The certificate that could not be deployed is deployed again."
    return f"The certificate that is served {'was revoked' if _gone(target.certificate) else 'is due for renewal'}."


def _cannot_roll_back(bot: Bot, now: datetime) -> None:
    """End what a bot of an earlier version is never told of, and would be waited for without end."""
    for row in Deployment.objects.filter(UNDER_WAY, target__bot=bot, kind="rollback").select_related("target__bot"):
        refuse(row, "The bot on this host is too old to roll back when it is asked to. Update it there.", now, "engine")


def _task(row: Deployment, host: wire.Host, now: datetime) -> wire.Task | None:
    target = row.target
    # What a person asks for now is done now; the window is for what comes due by itself.
    by_itself = row.kind == "issue" or asked_by_itself(row)
    waits = by_itself and row.state == Stage.READY and not opens(target.window, now)
    if row.state == Stage.ORDERED or waits:
        return None
    settings = bot_kinds.known(target.settings, host.later)
    spec = wire.TargetSpec(id=target.pk, kind=target.kind, name=target.name, settings=settings)
    kind = "request" if row.state == Stage.WANTED else "rollback" if row.kind == "rollback" else "deploy"
    names = [value for _, value in target.names]
    return wire.Task.model_validate(
        {
            "kind": kind,
            "deployment": row.pk,
            "target": spec,
            "names": names,
            "key_type": target.key_type,
            "key": row.key_of or row.pk,
        }
    )


def ask(bot: Bot, given: wire.Ask, address: str) -> wire.Asked:
    """Place the order for a deployment, once: a repeated question gets the same order."""
    now = current_clock().now()
    with transaction.atomic():
        bot = _locked(bot)
        row = _own(bot, given.deployment)
        if row.order_id is not None:
            return wire.Asked(state="ordered", order=row.order_id)
        if row.state != Stage.WANTED:
            return wire.Asked(state="refused", text=f"This deployment is {row.get_state_display().lower()}.")
        order = _placed(bot, row, given.csr, address)
        if isinstance(order, ChanceryError):
            text = f"{order} {order.remedy}".strip()
            fail(row, f"The order was refused. {text}", now, "policy")
            return wire.Asked(state="refused", text=text[:500])
        row.order, row.state = order, Stage.ORDERED
        row.save(update_fields=["order", "state"])
        say(
            row.pk,
            current_clock().now(),
            "ordered",
            f"bot:{bot.name}",
            f"A key was made on {bot.hostname}; its request is ordered.",
        )
        return wire.Asked(state="ordered", order=order.pk)


def _placed(bot: Bot, row: Deployment, csr: str, address: str) -> Order | ChanceryError:
    target = row.target
    try:
        request = parse(csr, limits())
        wanted = canonical([parse_name(value, kind) for kind, value in target.names])
        if request.names != wanted or request.key.label != target.key_type:
            raise Conflict("The request is for other names or another key than its target.", code="other_request")
        before = target.certificate
        replaced = before if before is not None and before.profile_id == target.profile_id else None
        if replaced is not None:
            not_twice(replaced)
        replaces, deadline = (replaced.pk, replaced.not_after) if replaced is not None else (None, None)
        comment = f"For {target.name} on {bot.name}"[:500]
        people = _behind(row)
        asked = PlaceOrder(
            str(target.profile_id), csr, comment=comment, replaces=replaces, deadline=deadline, caused_by=people
        )
        return place(actor_of(bot, address), asked)
    except ChanceryError as refusal:
        return refusal


def _behind(row: Deployment) -> Causes:
    """Return the people by whom a bot orders: who may have its key, and who said what it asks for, and when."""
    target, bot = row.target, row.target.bot
    return causes(
        (row.asked_by_user_id, How.ASKED),
        (target.names_by_user_id, How.NAMES),
        (target.edited_by_user_id, How.TARGET),
        (bot.created_by_user_id, How.BOT),
        (bot.enrolled_by_user_id, How.TOKEN),
    )


def fetch(bot: Bot, given: wire.Fetch) -> wire.Issued:
    """Return the certificate of a deployment, and note that the bot has it."""
    now = current_clock().now()
    with transaction.atomic():
        bot = _locked(bot)
        row = _own(bot, given.deployment)
        if row.certificate is None or row.state not in {Stage.READY, Stage.DEPLOYING}:
            return wire.Issued(deployment=row.pk)
        for _, text in unfit([row.certificate], now).values():
            fail(row, f"{text} It is not deployed. Order a new certificate.", now, "policy")
            return wire.Issued(deployment=row.pk)
        if row.state == Stage.READY:
            row.state = Stage.DEPLOYING
            row.save(update_fields=["state"])
            say(row.pk, now, "fetched", f"bot:{bot.name}", "The bot has the certificate.")
        return wire.Issued(deployment=row.pk, chain_pem=certificates.chain_pem(row.certificate))


def report(bot: Bot, records: Sequence[wire.Record], address: str) -> int:
    """Record what a bot tells, each thing once however often it is told; returns the last number that is here."""
    now = current_clock().now()
    with transaction.atomic():
        bot = _locked(bot)
        fresh = [r for r in records if r.number > bot.recorded]
        own = {r.deployment for r in fresh if r.deployment is not None}
        rows = Deployment.objects.filter(pk__in=own, target__bot=bot)
        found = {row.pk: row for row in rows.select_related("target__bot", "certificate")}
        lines = []
        for record in fresh:
            row = found.get(record.deployment) if record.deployment is not None else None
            lines.append(_line(bot, record, row))
            if row is not None:
                _told(bot, row, record, address, now)
        insert(LogLine, _LINE_COLUMNS, lines)
        bot.recorded = max([bot.recorded, *(r.number for r in fresh)])
        Bot.objects.filter(pk=bot.pk).update(recorded=bot.recorded)
        LogLine.objects.filter(bot=bot, number__lte=bot.recorded - KEPT_LINES).delete()
    return bot.recorded


def _line(bot: Bot, record: wire.Record, row: Deployment | None) -> tuple[Any, ...]:
    text = (
        record.text
        if row is None
        else f"{row.target.name}, {(record.step or record.outcome).replace('_', ' ')}: {record.text}"
    )
    now = current_clock().now()
    return (new_id(now), bot.pk, record.number, min(record.at, now), record.level, glimpse(text, 1990))


def _told(bot: Bot, row: Deployment, record: wire.Record, address: str, now: datetime) -> None:
    kind, at = record.step or record.outcome, min(record.at, now)
    text = glimpse(record.text, 1990)
    if record.kind == "step":
        who = f"bot:{bot.name}"[:200]
        DeploymentEvent.objects.create(
            id=new_id(now), deployment=row, at=at, kind=kind[:40], level=record.level, actor=who, text=text
        )
        if row.kind == "rollback" and row.state == Stage.READY:
            row.state = Stage.DEPLOYING
            row.save(update_fields=["state"])
        return
    # A bot tells of a rollback when it has ended: one that somebody gave up meanwhile was done all the same.
    done = row.kind == "rollback" and row.state == Stage.CANCELLED
    if record.kind != "outcome" or not (done or row.state in OPEN):
        return
    row.state, row.finished_at, row.text, row.served = record.outcome, now, text, record.served
    row.save(update_fields=["state", "finished_at", "text", "served"])
    say(row.pk, at, record.outcome, f"bot:{bot.name}", text, record.level)
    _ended(row, record, text, now)
    detail = {"outcome": record.outcome, "served": record.served}
    note = Note("deployment", str(row.pk), row.target.name, team=row.target.team_id, detail=detail)
    write(actor_of(bot, address), "deployments.ended", now, [note])


def _ended(row: Deployment, record: wire.Record, text: str, now: datetime) -> None:
    """Bring the target to what its bot proved."""
    target = row.target
    wanted = record.outcome == "deployed" or (row.kind == "rollback" and record.outcome == "rolled_back")
    if not wanted:
        failed(row, text or "The deployment failed.", now)
        return
    served = Certificate.objects.filter(sha256=record.served).first() if record.served else row.certificate
    target.certificate, target.deployment = served, row
    target.due_at = due(target, served, now)
    if target.due_at is not None and row.kind == "rollback":
        target.due_at = max(target.due_at, now + _AFTER_ROLLBACK)
    target.save(update_fields=["certificate", "deployment", "due_at"])
    # It may have been revoked since its bot fetched it.
    if _gone(served):
        mind_revoked(target)
    else:
        mind(target, "")


def _locked(bot: Bot) -> Bot:
    """Return a bot that nobody else changes until the commit; first of all, for its row stands for all that is its."""
    return Bot.objects.select_for_update().get(pk=bot.pk)


def _own(bot: Bot, ident: object) -> Deployment:
    """Return a deployment of this very bot; those of others are not there for it."""
    rows = Deployment.objects.select_for_update(of=("self",)).filter(target__bot=bot, target__deleted_at=None)
    found = rows.select_related("target__bot", "target__certificate", "certificate__chain").filter(pk=ident).first()  # type: ignore[misc]  # an id
    if found is None:
        raise Absent("deployment", ident)
    return found
