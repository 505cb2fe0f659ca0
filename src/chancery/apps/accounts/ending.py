"""Ending sessions: one's own, and by an administrator anybody's."""

from __future__ import annotations

from uuid import UUID

from chancery.apps.accounts.models import Session, User
from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.action import Act, action
from chancery.core.errors import Absent


@action("sessions.end", Permission.SESSION_OWN)
def end(act: Act, ident: object) -> None:
    """End one of the actor's own sessions, or with `people.manage` one of anybody's; its next request is nobody's."""
    rows = Session.objects.filter(user__isnull=False).select_related("user")
    if not act.actor.may(Permission.PEOPLE_MANAGE):
        rows = rows.filter(user_id=act.actor.user or 0)
    try:
        found = rows.filter(ident=UUID(str(ident))).first()
    except ValueError:
        found = None
    if found is None or found.user is None:
        raise Absent("session", ident)
    act.note("session", ident, found.user.username)
    found.delete()


@action("people.end_sessions", Permission.PEOPLE_MANAGE)
def end_all(act: Act, user_id: int) -> int:
    """End every session of a person, and return how many there were."""
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Absent("user", user_id)
    number: int = Session.objects.filter(user=user).delete()[0]
    act.note("user", user.pk, user.username, changed=("sessions",), detail={"sessions": number})
    return number
