"""What is answered at `/.well-known/acme-challenge/<token>` while orders wait for their names to be validated.

The engine writes it in the same commit as the outcome that asks for it, so it is answered before the CA is told to
look. Anybody may read it: it says nothing but what the CA and whoever saw its token know already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from chancery.apps.orders.models import Order, PublishedAnswer
from chancery.sdk.outcome import HttpAnswer


def read(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Have each order that is read know whether something is answered for it: most CAs never ask for that."""
    return orders.annotate(answered=Exists(PublishedAnswer.objects.filter(order=OuterRef("pk"))))


def keep(order: Order, answers: Sequence[HttpAnswer]) -> None:
    """Answer exactly this for an order from the commit on."""
    drop(order)
    if not answers:
        return
    texts = {answer.token: answer.text for answer in answers}
    PublishedAnswer.objects.bulk_create(
        PublishedAnswer(order=order, token=token, text=text) for token, text in texts.items()
    )


def drop(order: Order) -> None:
    """Answer nothing more for an order; asks nothing of the database for one that was `read` and has no answers."""
    if getattr(order, "answered", True):
        remove([order.pk])


def remove(orders: Iterable[UUID]) -> None:
    """Answer nothing more for orders."""
    PublishedAnswer.objects.filter(order__in=list(orders)).delete()


def find(token: str) -> str | None:
    """Return what is answered for a token; None where nothing is. Of two orders' answers the later one counts."""
    return PublishedAnswer.objects.filter(token=token).order_by("-id").values_list("text", flat=True).first()
