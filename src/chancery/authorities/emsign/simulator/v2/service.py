"""`/api/certinext/v2`: token first, then the route."""

from __future__ import annotations

from chancery.authorities.emsign.simulator.book import Book
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.tokens import Tokens
from chancery.authorities.emsign.simulator.v2.catalog import Catalog
from chancery.authorities.emsign.simulator.v2.domains import Domains
from chancery.authorities.emsign.simulator.v2.following import Following
from chancery.authorities.emsign.simulator.v2.ordering import Ordering
from chancery.authorities.emsign.simulator.v2.refusal import Refusal, throttled
from chancery.authorities.emsign.simulator.v2.reissuing import Reissuing
from chancery.authorities.emsign.simulator.v2.reports import Reports
from chancery.authorities.emsign.simulator.validation import Validation
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, Router, json_reply

PREFIX = "/api/certinext/v2"


class V2:
    """The REST interface."""

    def __init__(
        self, book: Book, lifecycle: Lifecycle, validation: Validation, tokens: Tokens, dials: Dials, clock: Clock
    ) -> None:
        self._tokens, self._dials = tokens, dials
        self.router = Router()
        following = Following(book, lifecycle, validation, dials)
        for part in (
            Catalog(dials),
            Ordering(book, lifecycle, dials, clock),
            Reissuing(book, lifecycle, following, dials, clock),
            following,
            Reports(book, lifecycle, dials, clock),
            Domains(book, validation, following, dials, clock),
        ):
            for method, path, handler in part.routes():
                self.router.add(method, PREFIX + path, handler)

    def answer(self, asked: Asked) -> Reply:
        """Answer one call."""
        try:
            reply = self._answer(asked)
        except Refusal as refusal:
            reply = refusal.reply(asked.path)
        reply.headers["X-API-Version"] = "2.0.0"
        return reply

    def _answer(self, asked: Asked) -> Reply:
        now = self._dials.now
        if now.throttle or asked.throttled:
            raise throttled(now.retry_after)
        problem = self._tokens.problem(asked)
        if problem:
            raise Refusal(401, problem)
        handler = self.router.find(asked)
        if handler is None:
            return json_reply({"error": "Not Found", "message": "No handler", "path": asked.path}, 404)
        return handler(asked)
