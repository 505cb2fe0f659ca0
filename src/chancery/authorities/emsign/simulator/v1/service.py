"""`/emSignHub-API`: every call is a POST of a method's name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from chancery.authorities.emsign.simulator.book import Book
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.limiter import Limiter
from chancery.authorities.emsign.simulator.tokens import Tokens
from chancery.authorities.emsign.simulator.v1.envelope import Envelope, Refusal
from chancery.authorities.emsign.simulator.v1.following import Following
from chancery.authorities.emsign.simulator.v1.ordering import Ordering
from chancery.authorities.emsign.simulator.v1.reading import Reading
from chancery.authorities.emsign.simulator.validation import Validation
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, json_reply

PREFIX = "/emSignHub-API/"
Method = Callable[[dict[str, Any]], dict[str, Any]]
_ACTS = {
    "GenerateOrderSSL", "GenerateOrderPrivatePKI", "SubmitCSR", "AgreementAcceptance", "VerifyDcv", "RevokeOrder",
    "RejectOrder", "RejectRequest",
}  # fmt: skip


class V1:
    """The message interface."""

    def __init__(
        self,
        book: Book,
        lifecycle: Lifecycle,
        validation: Validation,
        tokens: Tokens,
        limiter: Limiter,
        dials: Dials,
        clock: Clock,
        access_key: str,
    ) -> None:
        self._envelope = Envelope(tokens, dials, clock, access_key)
        ordering = Ordering(book, lifecycle, limiter, dials, clock)
        following = Following(book, lifecycle, validation, dials, clock)
        reading = Reading(book, lifecycle, dials, clock)
        self.methods: dict[str, Method] = {
            "ValidateCredentials": lambda _: {},
            "GetProductDetails": reading.products,
            "GetFieldDetails": reading.fields,
            "GetGroupDetails": reading.groups,
            "GetGroupDetailsV2": reading.groups,
            "GetOrganizationDetails": reading.organizations,
            "GetDomainDetails": reading.domains,
            "GetOrderReport": reading.report,
            "GenerateOrderSSL": partial(ordering.place, public=True),
            "GenerateOrderPrivatePKI": partial(ordering.place, public=False),
            "TrackOrder": following.track,
            "SubmitCSR": following.submit_csr,
            "AgreementAcceptance": following.agree,
            "GetDcv": following.challenge,
            "VerifyDcv": following.verify,
            "GetCertificate": following.certificate,
            "RevokeOrder": following.revoke,
            "RejectOrder": partial(following.reject, draft=False),
            "RejectRequest": partial(following.reject, draft=True),
        }

    def answer(self, asked: Asked) -> Reply:
        """Answer one call."""
        name = asked.path.removeprefix(PREFIX)
        method = self.methods.get(name) if asked.method == "POST" else None
        if method is None:
            return json_reply({"error": "Not Found", "message": "No handler", "path": asked.path}, 404)
        try:
            body = self._envelope.open(asked)
            return self._envelope.reply(asked, method(body), acted=name in _ACTS)
        except Refusal as refusal:
            return self._envelope.refused(asked, refusal)
