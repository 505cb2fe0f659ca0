"""Borealis PKI as an authority for Chancery: what a package of somebody else's looks like, whole.

Its API: JSON over HTTPS, a bearer token, orders under `/v1/orders`, found again by the client's reference. A second
order with the same reference is answered with the first.
"""

import re
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.sdk import (
    Absence,
    AlreadyDone,
    AuthFailed,
    AuthorityFacts,
    Choice,
    Config,
    Context,
    Dedup,
    Facts,
    Finding,
    Forbidden,
    Found,
    Issued,
    Level,
    NonEmpty,
    NotFound,
    OutcomeUnknown,
    Pending,
    PendingKind,
    ProfileSettings,
    ProtocolViolation,
    RejectedByPolicy,
    Revoked,
    Secret,
    Throttled,
    Unreachable,
    scrub,
    setting,
)

_NUMBER = re.compile(r"B-[0-9]{1,12}")

LOOK = "Look in Borealis' own list of orders."


class BorealisConfig(Config):
    account: NonEmpty = setting(title="Account", help="The account's number at Borealis, as B-1234.", max_length=60)
    token: Secret = setting(title="API token", help="Made at Borealis under Account, Tokens.")


class BorealisProfile(ProfileSettings):
    product: NonEmpty = setting(title="Product", help="What is ordered.", group="Product", dynamic=True)


class Borealis:
    slug, title, maker, proof, api = "borealis", "Borealis", "Borealis PKI", "bronze", (1, 1)
    config, profile = BorealisConfig, BorealisProfile
    default_base_url = "https://pki.borealis.example/api"
    facts = Facts(
        certificates=AuthorityFacts(key_types=("EC-P256", "EC-P384", "RSA-2048"), name_kinds=("dns",), max_names=20),
        calls_per_second=50,
        burst=50,
        dedup=Dedup.RETURN_ORIGINAL,
        dedup_window=timedelta(days=1),
    )

    def __init__(self, config: BorealisConfig, context: Context) -> None:
        self._config, self._http = config, context.http

    def check(self):
        me = self._ask("GET", "/v1/me")
        yield Finding("login", Level.OK, "ok", "The token is accepted.", self._clean(f"account {me.get('account')}"))
        names = self._clean(", ".join(str(p.get("id")) for p in self._products()))
        if names:
            yield Finding("product", Level.OK, "ok", "Products can be ordered.", names)
        else:
            remedy = "Have Borealis enable products for the account."
            yield Finding("product", Level.FAILED, "none", "The account has no product.", "", remedy)

    def submit(self, request):
        body = {
            "product": request.settings.product,
            "csr": request.csr_pem,
            "reference": request.reference,
            "not_before": request.intended_at.isoformat(),
            "seconds": int(request.validity.total_seconds()),
        }
        return self._stand(self._ask("POST", "/v1/orders", json=body, effect=True), effect=True)

    def poll(self, state, request):
        return self._stand(self._ask("GET", f"/v1/orders/{state['order']}"))

    def find(self, request, since: datetime):
        rows = self._ask("GET", "/v1/orders", params={"reference": request.reference}).get("orders")
        if not isinstance(rows, list):
            raise ProtocolViolation("Borealis answered a search without a list.", bytes_sent=False)
        if not rows:
            return Absence("Borealis knows no order with our reference.")
        return Found(self._stand(rows[0]), f"Borealis has order {rows[0].get('id')} with our reference.")

    def adopt(self, reference, request):
        order = self._ask("GET", f"/v1/orders/{''.join(c for c in reference if c.isalnum() or c == '-')}")
        if order.get("key") != request.spki_sha256:
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the number.")
        return Found(self._stand(order), f"A person named Borealis' order {reference}.")

    def cancel(self, state, request):
        order = self._ask("DELETE", f"/v1/orders/{state['order']}", effect=True)
        if order.get("status") == "issued":
            raise AlreadyDone("Borealis has issued it already.", remedy="Revoke the certificate instead.")

    def revoke(self, target, reason, comment):
        order = self._ask("POST", f"/v1/orders/{target.reference}/revoke", json={"reason": str(reason)}, effect=True)
        if order.get("status") != "revoked":
            raise ProtocolViolation("Borealis did not confirm the revocation.", bytes_sent=True)
        return Revoked("Borealis confirms it.")

    def poll_revocation(self, state, target):
        return Revoked("Borealis confirms at once.")

    def choices(self, field):
        if field != "product":
            return []
        return [Choice(str(p.get("id")), str(p.get("name"))) for p in self._products()]

    def _clean(self, text):
        """What the CA says may hold our own token: what is shown must not."""
        return scrub(text, (self._config.token,))[:300]

    def _products(self):
        found = self._ask("GET", "/v1/products").get("products")
        if not isinstance(found, list):
            raise ProtocolViolation("Borealis' list of products is none.", bytes_sent=False)
        return [p for p in found if isinstance(p, dict)]

    def _stand(self, order, *, effect=False):
        number, status = order.get("id"), order.get("status")
        if not isinstance(number, str) or not _NUMBER.fullmatch(number):
            raise ProtocolViolation("Borealis' answer has no order number.", bytes_sent=effect, remedy=LOOK)
        if status in {"refused", "cancelled"}:
            remedy = "Ask Borealis why."
            raise RejectedByPolicy(f"Borealis says the order is {status}.", code=str(status), remedy=remedy)
        if status in {"issued", "revoked"}:
            try:
                leaf, *chain = x509.load_pem_x509_certificates(str(order.get("chain")).encode())
            except ValueError:
                raise ProtocolViolation(
                    "Borealis sent no readable certificate.", bytes_sent=effect, remedy=LOOK
                ) from None
            return Issued(leaf.public_bytes(Encoding.DER), tuple(c.public_bytes(Encoding.DER) for c in chain), number)
        return Pending({"v": 1, "order": number}, PendingKind.APPROVAL, timedelta(seconds=1), "At Borealis.", number)

    def _ask(self, method, path, *, effect=False, **more):
        token = {"Authorization": f"Bearer {self._config.token.reveal()}"}
        answer = self._http.request(method, path, headers=token, effect=effect, **more)
        if not 200 <= answer.status < 300:
            raise self._error(answer, effect)
        document = answer.json()
        if not isinstance(document, dict):
            raise ProtocolViolation(
                "Borealis answered something else.", text=answer.text, bytes_sent=effect, remedy=LOOK
            )
        return document

    @staticmethod
    def _error(answer, effect):
        more = {"code": str(answer.status), "text": answer.text, "stage": "response", "bytes_sent": effect}
        if answer.status == 401:
            return AuthFailed(
                "Borealis refused the token.", remedy="Make a new token at Borealis and enter it.", **more
            )
        if answer.status == 403:
            return Forbidden("The token lacks the right.", remedy="Give the token the right to order.", **more)
        if answer.status == 429:
            return Throttled("Borealis asks for patience.", until=answer.retry_after, **more)
        if "json" in answer.headers.get("content-type", "") and answer.status in {400, 404, 409, 422}:
            kind = {404: NotFound, 409: AlreadyDone}.get(answer.status, RejectedByPolicy)
            return kind("Borealis refused it.", remedy="Correct the profile or the request.", **more)
        if effect:
            text = f"Borealis answered {answer.status}, which does not say whether it acted."
            return OutcomeUnknown(text, remedy=LOOK, **more)
        return Unreachable(f"Borealis answered {answer.status}.", remedy="Look at Borealis' status page.", **more)
