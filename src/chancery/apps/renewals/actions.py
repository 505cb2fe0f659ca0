"""What people do about a renewal that is to come."""

from __future__ import annotations

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.place import limits
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Plan, PlanState
from chancery.apps.renewals.planning import schedule
from chancery.apps.shared.action import Act, action
from chancery.core.csr import Request, parse
from chancery.core.errors import Conflict, Invalid


@action("certificates.leave_request", Permission.CERTIFICATE_RENEW)
def leave_request(act: Act, ident: object, csr: str) -> Plan:
    """Leave a request with a fresh key, by which a certificate is renewed when it is due; '' takes it back.

    It must ask for the names that the certificate has. Whether the profile takes it is judged when it is used, and now.
    """
    row = certificates.get(act.actor, ident)
    act.require(row)
    plan = Plan.objects.select_for_update().filter(pk=row.pk).first()
    if plan is None or plan.state in {PlanState.ORDERED, PlanState.REPLACED, PlanState.ENDED}:
        raise Conflict(
            "Its renewal is not planned, or ordered already.",
            remedy="Renew it at once instead, or look at the order that replaces it.",
            code="not_planned",
        )
    plan.csr, plan.csr_by, plan.csr_at, plan.csr_by_user_id = None, "", None, None
    if csr.strip():
        plan.csr, plan.csr_by, plan.csr_at = _checked(row, csr).der, act.actor.name, act.at
        plan.csr_by_user_id = act.actor.user
    plan.certificate, plan.profile = row, Profile.objects.get(pk=plan.profile_id)
    schedule(plan)
    plan.save()
    act.note("certificate", row.pk, row.common_name, team=row.team_id, changed=("next_request",))
    return plan


def _checked(row: Certificate, csr: str) -> Request:
    request = parse(csr, limits())
    if sorted([n.kind, n.value] for n in request.names) != sorted(row.names):
        raise Invalid.one(
            "csr", "The request asks for other names than the certificate has.", "Order another certificate for those."
        )
    return request
