"""What becomes of the work of accounts that end, by their clients or here (RFC 8555 section 7.3.6): it does not go on.

Orders that no CA was asked for end, and names are looked at no more. What was sent to a CA, and certificates, stay.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from chancery.apps.acme.models import Authorization
from chancery.apps.orders import anew, stopping
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import Act


def stop(act: Act, accounts: Collection[UUID], text: str) -> None:
    """Stop what was begun for accounts, as a part of the act that ends them; `text` is why."""
    looked_at = Authorization.objects.filter(account__in=accounts, due_at__isnull=False)
    # Without its lease, a look that is under way tells of nothing, and is not followed by another.
    looked_at.update(due_at=None, lease_until=None)
    orders = Order.objects.filter(acme__acme_order__account__in=accounts)
    stopping.end_unsent(act, orders, text)
    anew.forget_all(act, orders, text)
