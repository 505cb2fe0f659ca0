"""Two layers of validity (B3): of the order, which is paid for, and of the certificate inside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.digicert.simulator.mountain import moment
from chancery.authorities.digicert.simulator.products import ORDER_YEARS, Product
from chancery.authorities.digicert.simulator.refusal import Refusal, invalid

_UNITS = ("custom_expiration_date", "days", "years")
"""Of several units the first counts: custom date, then days, then years."""
_DAY = timedelta(days=1)
_SLACK = timedelta(minutes=1)
_FAR = 36_600


@dataclass(frozen=True)
class Span:
    """A validity that was asked for: in which unit, and until when."""

    unit: str
    until: datetime


def spans(body: dict[str, Any], asked: dict[str, Any], product: Product, now: datetime) -> tuple[datetime, datetime]:
    """Return until when the order and its first certificate are valid; raises the refusal of either."""
    of_order = _span(_part(body, "order_validity"), now) or _span(_legacy(body), now)
    of_certificate = _span(_part(asked, "cert_validity"), now)
    if of_order is None and of_certificate is None:
        raise invalid("days", "A validity is required.")
    paid = of_order.until if of_order else _shortest_order(of_certificate, now)
    if of_order and of_order.until > _years_on(now, max(ORDER_YEARS)) + _SLACK:
        raise invalid(of_order.unit, "The order validity is not allowed for this product.")
    return paid, within(of_certificate, product, paid, now)


def within(asked: Span | None, product: Product, paid: datetime, now: datetime) -> datetime:
    """Return until when a certificate is valid: as asked, or as long as product and order allow."""
    longest = now + product.cap(now.date()) * _DAY
    if asked is None:
        return min(longest, paid)
    if asked.until > longest:
        raise invalid(asked.unit, "The validity is not allowed for this product.")
    if asked.until > paid:
        raise Refusal(400, "cert_validity_exceeds_order_validity", "Certificate validity exceeds order validity.")
    return asked.until


def certificate_span(asked: dict[str, Any], now: datetime) -> Span | None:
    """Return the certificate's validity in a reissue or duplicate, if one is asked for."""
    return _span(_part(asked, "cert_validity"), now)


def _part(holder: dict[str, Any], name: str) -> dict[str, Any]:
    part = holder.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise invalid(name, "The validity is not an object.")
    return part


def _legacy(body: dict[str, Any]) -> dict[str, Any]:
    old = {"custom_expiration_date": "custom_expiration_date", "days": "validity_days", "years": "validity_years"}
    return {unit: body[name] for unit, name in old.items() if name in body}


def _span(part: dict[str, Any], now: datetime) -> Span | None:
    unit = next((u for u in _UNITS if part.get(u) is not None), None)
    if unit is None:
        return None
    until = _date(part[unit]) if unit == "custom_expiration_date" else _count(unit, part[unit], now)
    if until <= now:
        raise invalid(unit, "The validity is not allowed for this product.")
    return Span(unit, until)


def _date(value: Any) -> datetime:
    try:
        return moment(str(value), end=True)
    except (ValueError, OverflowError):
        raise invalid("custom_expiration_date", "The date is not valid.") from None


def _count(unit: str, value: Any, now: datetime) -> datetime:
    digits = isinstance(value, str) and value.isascii() and value.isdigit()
    number = int(value) if digits and len(value) < 10 else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _FAR:
        raise invalid(unit, "The validity is not a number.")
    return now + number * _DAY if unit == "days" else _years_on(now, min(number, 100))


def _years_on(now: datetime, years: int) -> datetime:
    try:
        return now.replace(year=now.year + years)
    except ValueError:  # 29 February
        return now.replace(year=now.year + years, day=28)


def _shortest_order(certificate: Span | None, now: datetime) -> datetime:
    until = certificate.until if certificate else now
    return next((at for years in ORDER_YEARS if (at := _years_on(now, years)) >= until), until)
