"""What a client does for itself: it renews what it ordered, with a key of its own, and mostly without saying `replaces`."""

from __future__ import annotations

from django.db.models import Q

from chancery.apps.acme.models import Account, AcmeOrder, Credential, Standing
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.core.order import OPEN, State

_MOST = 50
"""Among so many orders that have one of the names the successor is looked for."""


def credential_of(certificate: Certificate) -> Credential | None:
    """Return the credential whose client ordered a certificate, so orders the next one; None where nobody did over ACME."""
    if certificate.order_id is None:
        return None
    found = (
        AcmeOrder.objects.filter(placement__order=certificate.order_id).select_related("account__credential").first()
    )
    return None if found is None else found.account.credential


def works(credential: Credential) -> bool:
    """Say whether any of its accounts may still order."""
    return Account.objects.filter(credential=credential, state=Standing.VALID).exists()


def successor(certificate: Certificate, credential: Credential) -> Order | None:
    """Return the newest later order of a credential for the names of a certificate that it ordered; None without one.

    A host may have one for each type of key, and several hosts one credential, each an account of its own. A client that was
    set up anew has another account as well: then it orders once half of the life is over, and not beside the first.
    """
    first = AcmeOrder.objects.get(placement__order=certificate.order_id)
    rows = Order.objects.filter(
        # The first name of a request is its client's choice, among them.
        common_name__in=[value for _, value in first.names],
        id__gt=certificate.order_id,
        # What only asks goes to no CA: the one that follows it may be the next.
        state__in=[*OPEN - {State.AWAITING_APPROVAL}, State.ISSUED],
        key_type=certificate.key_type,
        acme__acme_order__account__credential=credential,
    )
    half = certificate.not_before + (certificate.not_after - certificate.not_before) / 2
    rows = rows.filter(Q(acme__acme_order__account=first.account_id) | Q(placed_at__gt=half))
    found = rows.select_related("acme__acme_order").defer("csr").order_by("-id")[:_MOST]
    return next((row for row in found if sorted(row.acme.acme_order.names) == sorted(first.names)), None)
