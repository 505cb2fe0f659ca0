"""What a client does for itself: it renews what it ordered, with a key of its own, and mostly without saying `replaces`."""

from __future__ import annotations

from chancery.apps.acme.models import Account, AcmeOrder, Credential, Standing
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.core.order import OPEN, State

_MOST = 50
"""Of so many orders for the same first name the successor is one; more were never renewals."""


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
    """Return the newest later order of a credential for the very names of a certificate that it ordered; None without one.

    A client that was set up anew has another account, so the credential is what counts.
    """
    first = AcmeOrder.objects.get(placement__order=certificate.order_id)
    rows = Order.objects.filter(
        common_name=certificate.order.common_name,  # type: ignore[union-attr]  # it was ordered
        id__gt=certificate.order_id,
        state__in=[*OPEN, State.ISSUED],
        acme__acme_order__account__credential=credential,
    )
    found = rows.select_related("acme__acme_order").defer("csr").order_by("-id")[:_MOST]
    return next((row for row in found if sorted(row.acme.acme_order.names) == sorted(first.names)), None)
