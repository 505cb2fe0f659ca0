"""Records that DigiCert wants to find before it believes in a name (B7): read from its answers, and told to people.

What the answer holds is rendered; nothing is built from guesses.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import day, rows, segment, table, word
from chancery.sdk.errors import AuthFailed, AuthorityError, Throttled, Unreachable, ValidationFailed

MOST_RECORDS = 5
TOKENS = {"dns-txt-token", "dns-cname-token", "http-token", ""}
"""Methods whose records DigiCert can be told to look for; '' is the account's own."""

Record = dict[str, str]
"""One record to be made: name, method, token, target, url, until; '' for what DigiCert did not say."""


def records_in(answer: dict[str, Any], method: str) -> list[Record]:
    """Return the records that the answer to an order asks for."""
    found = [
        record_of(word(row.get("dns_name")), method, table(row.get("dcv_token"))) for row in rows(answer.get("domains"))
    ]
    value = word(answer.get("dcv_random_value"))
    if value:
        found.append(record_of("", method, {"token": value}))
    return [r for r in found if r["token"]][:MOST_RECORDS]


def record_of(name: str, method: str, token: dict[str, Any]) -> Record:
    """Return one record out of a `dcv_token`."""
    return {
        "name": name,
        "method": method,
        "token": word(token.get("token")),
        "target": word(token.get("verification_value")),
        "url": word(token.get("http_token_url"), 300),
        "until": word(token.get("expiration_date"))[:10],
    }


def is_over(record: Record, today: date) -> bool:
    """Say whether a record's value counts no more: random values last 30 days (B7), and DigiCert then gives another."""
    until = day(record["until"])
    return until is not None and until < today


def instruction(record: Record, name: str) -> str:
    """Return what has to be made where."""
    token, target, until = record["token"], record["target"], record["until"]
    end = f", valid until {until}." if until else "."
    if record["method"] == "dns-cname-token" and target:
        return f"Make a CNAME record {token}.{name} that points to {target}{end}"
    if record["method"] == "http-token":
        where = record["url"] or f"the place at {name} that the order's page at DigiCert names"
        return f"Put a file with the text {token} at {where}{end}"
    if record["method"] == "dns-txt-token":
        return f"Make a TXT record at {name} with the value {token}{end}"
    if record["method"] == "email":
        return f"Follow the link in DigiCert's e-mail about {name}."
    shown = f" ({record['method']})" if record["method"] else ""
    return f"Validate {name}{shown} at DigiCert with the value {token}{end}"


def look_again(client: Client, order: str) -> tuple[str, str]:
    """Tell DigiCert to look for the records of an order now (check-dcv). Returns (status of the order, what it says).

    A look does not change when DigiCert looks by itself. That nothing is there yet comes as 400 for some methods: it is
    no error, and ends nothing.
    """
    try:
        answer = client.repeat(f"order/certificate/{segment(order)}/check-dcv")
    except (Unreachable, Throttled, AuthFailed):
        raise
    except ValidationFailed as error:
        return "", f"DigiCert has looked: {error.text or error.code}"[:300]
    except AuthorityError:
        return "", ""
    return word(answer.get("order_status")).lower(), ""
