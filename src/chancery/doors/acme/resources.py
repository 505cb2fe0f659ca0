"""What stands at each address of the ACME server."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from chancery.apps.acme import accounts, ari, chains, finalizing, jose, ordering, proving, queries, revoking, states
from chancery.apps.acme.accounts import check_binding
from chancery.apps.acme.errors import AcmeError, malformed
from chancery.apps.acme.models import Account
from chancery.apps.acme.states import View
from chancery.apps.shared.action import current_clock
from chancery.doors.acme import documents, waiting
from chancery.doors.acme.documents import at
from chancery.doors.acme.door import Asked, Handler, shown
from chancery.doors.acme.reply import Reply, link

_PEM_CHAIN = "application/pem-certificate-chain"
_ORDERS = 100


def _directory(method: str, parts: list[str]) -> Reply:
    del method, parts
    return shown(documents.directory(queries.listed()), Cache_Control="max-age=60")


def _new_nonce(method: str, parts: list[str]) -> Reply:
    del parts
    return Reply(status=200 if method == "HEAD" else 204)


def _renewal_info(method: str, parts: list[str]) -> Reply:
    """RFC 9773 section 4."""
    del method
    found = ari.window(parts[1])
    window = {"start": documents.moment(found.start), "end": documents.moment(found.end)}
    body = {"suggestedWindow": window} | ({"explanationURL": found.explanation} if found.explanation else {})
    return shown(body, Retry_After=documents.seconds(ari.RETRY))


def _new_account(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.3."""
    del parts
    if asked.found is not None:
        raise malformed("protected", "It must bring the new account's key (jwk).", "Sign with jwk, not kid.")
    given = asked.payload()
    outer = given.get("externalAccountBinding")
    bound = None
    if isinstance(outer, dict):
        bound = jose.message(outer, "externalAccountBinding.")
        check_binding(bound, asked.key, asked.url)
    row, made = accounts.register(given, asked.key, asked.address, bound)
    return _account(row, 201 if made else 200)


def _account(row: Account, status: int = 200) -> Reply:
    return shown(documents.account(row), status, Location=at(f"account/{row.pk.hex}"))


def _own_account(asked: Asked, parts: list[str]) -> Reply:
    _is_own(asked, parts[1])
    if not asked.message.payload:
        return _account(asked.account)
    return _account(accounts.update(asked.account, asked.payload(), asked.address))


def _is_own(asked: Asked, text: str) -> None:
    if documents.ident(text) != asked.account.pk:
        raise malformed("url", "This is not the account that signed.", "Ask for your own.", 403)


def _orders(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.1.2.1; the newest ones first. The address of a page ends with the order before it."""
    _is_own(asked, parts[1])
    asked.nothing()
    before = _ident(parts[3]) if len(parts) > 3 else None
    found, after = states.listed(asked.account, before, _ORDERS)
    links = [] if after is None else [link(at(f"account/{parts[1]}/orders/{after.hex}"), "next")]
    return shown({"orders": [at(f"order/{pk.hex}") for pk in found]}, links=links)


def _key_change(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.3.5."""
    del parts
    account = asked.account
    inner = jose.message(asked.payload(), "payload.")
    if inner.jwk is None or "nonce" in inner.header or inner.header.get("url") != asked.url:
        raise malformed(
            "payload.protected", "It must bring jwk and the same url, and no nonce.", "Use a current client."
        )
    jose.verify(inner, inner.jwk)
    given = jose.parse_object(inner.payload, "payload.payload")
    if given.get("account") != at(f"account/{account.pk.hex}"):
        raise malformed("payload.account", "It is not the account that signed.", "Name that one.")
    return _account(accounts.roll_over(account, given.get("oldKey"), inner.jwk, asked.address))


def _new_order(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.4."""
    del parts
    order, found = ordering.new(asked.account, asked.payload(), asked.address)
    return _order(states.unplaced(order, found, order.created_at), 201)


def _order(view: View, status: int = 200) -> Reply:
    again = str(view.retry_after) if view.retry_after else ""
    # Also where RFC 8555 does not ask for it: several clients look for it after each answer.
    return shown(documents.order(view), status, Location=at(f"order/{view.order.pk.hex}"), Retry_After=again)


def _one_order(asked: Asked, parts: list[str]) -> Reply:
    asked.nothing()
    return _order(states.of(asked.account, _ident(parts[1])))


def _finalize(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.4: answered when the certificate is there, if that takes no longer than clients like to wait."""
    ident = _ident(parts[1])
    csr = jose.decode(asked.payload().get("csr"), "csr")
    order, placed = finalizing.finalize(asked.account, ident, csr, asked.address)
    ended = waiting.wait(placed)
    view = states.of_placed(order, *ended) if ended is not None else states.of(asked.account, ident)
    # Many clients show what an answer says is wrong, and not what an order says.
    if view.placed is not None and (asks := states.asking(view.placed)) is not None:
        raise asks
    return _order(view)


def _authorization(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 sections 7.5 and 7.5.2."""
    ident, now = _ident(parts[1]), current_clock().now()
    if not asked.message.payload:
        return shown(documents.authorization(proving.of(asked.account, ident), now))
    if asked.payload().get("status") != "deactivated":
        raise malformed("status", "An authorization can only be deactivated.", "Send deactivated, or an empty payload.")
    return shown(documents.authorization(proving.deactivate(asked.account, ident), now))


def _beforehand(asked: Asked, parts: list[str]) -> Reply:
    """Show the authorization of a name that needs no proof: it is valid, and cannot be given up."""
    wanted = asked.payload().get("status") if asked.message.payload else None
    if wanted != "deactivated":
        asked.nothing()
    index = int(parts[2]) if parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 5 else -1
    if index < 0:
        raise malformed("url", "There is no such authorization.", "Look at the order for its own.", 404)
    order, (kind, value) = proving.beforehand(asked.account, _ident(parts[1]), index)
    if wanted is not None:
        text = (
            f"status: {value} is authorised by the profile, not by a proof of this account, so it cannot be given up."
        )
        raise AcmeError("unauthorized", text, "Leave the order to expire, or deactivate the account.")
    return shown(documents.beforehand(order, kind, value, index))


def _challenge(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.5.1."""
    ident = _ident(parts[1])
    if asked.message.payload:
        asked.payload()
        row = proving.begin(asked.account, ident, parts[2])
    else:
        row = proving.challenged(asked.account, ident, parts[2])
    up = link(at(f"authz/{row.pk.hex}"), "up")
    return shown(documents.challenge(row, parts[2]), links=[up], Retry_After=str(states.SOON))


def _certificate(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.4.2."""
    asked.nothing()
    index = int(parts[2]) if len(parts) > 2 and parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 3 else 0
    text, others = chains.download(asked.account, _ident(parts[1]), index)
    links = [link(at(f"cert/{parts[1]}/{n}"), "alternate") for n in range(others + 1) if n != index]
    return Reply(text, links=links, content_type=_PEM_CHAIN)


def _revoke(asked: Asked, parts: list[str]) -> Reply:
    """RFC 8555 section 7.6."""
    del parts
    given = asked.payload()
    der = jose.decode(given.get("certificate"), "certificate")
    key = asked.key if asked.found is None else None
    revoking.revoke(der, given.get("reason"), account=asked.found, key=key, address=asked.address)
    return Reply(status=200)


def _ident(text: str) -> UUID:
    found = documents.ident(text)
    if found is None:
        raise malformed("url", "There is nothing at this address.", "Use the addresses that you were given.", 404)
    return found


OPEN: dict[tuple[str, int], Callable[[str, list[str]], Reply]] = {
    ("directory", 1): _directory,
    ("new-nonce", 1): _new_nonce,
    ("renewal-info", 2): _renewal_info,
}
"""First word and number of parts of an address that anybody may read."""

SIGNED: dict[tuple[str, int, str], Handler] = {
    ("new-account", 1, ""): _new_account,
    ("new-order", 1, ""): _new_order,
    ("revoke-cert", 1, ""): _revoke,
    ("key-change", 1, ""): _key_change,
    ("account", 2, ""): _own_account,
    ("account", 3, "orders"): _orders,
    ("account", 4, "orders"): _orders,
    ("order", 2, ""): _one_order,
    ("order", 3, "finalize"): _finalize,
    ("authz", 2, ""): _authorization,
    ("authz", 3, ""): _beforehand,
    ("challenge", 3, ""): _challenge,
    ("cert", 2, ""): _certificate,
    ("cert", 3, ""): _certificate,
}
"""First word, number of parts, and third word where it is fixed, of an address that takes signed messages."""
