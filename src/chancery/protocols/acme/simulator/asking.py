"""What a handler gets: a request whose signature, nonce and address have been judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chancery.protocols.acme.simulator.refusal import malformed
from chancery.protocols.acme.simulator.signatures import Signed
from chancery.protocols.acme.simulator.state import Account
from chancery.sandbox.frame import Asked, Reply

PREFIX = "/acme"


@dataclass(frozen=True)
class Ask:
    """One signed request. `account` is None where the key itself signed; `origin` is how the client reached us."""

    asked: Asked
    origin: str
    jws: Signed
    account: Account | None
    jwk: dict[str, Any] | None

    def url(self, path: str) -> str:
        """Return the absolute address of one of the CA's paths."""
        return f"{self.origin}{PREFIX}{path}"

    def who(self) -> Account:
        """Return the account; refuses a request that no account signed."""
        if self.account is None:
            raise malformed("This request is signed by an account, with 'kid'.")
        return self.account

    def reads(self) -> None:
        """Refuse a read with content (RFC 8555 section 6.3)."""
        if self.jws.payload:
            raise malformed("A read is a POST-as-GET: its payload is empty.")


Handler = Callable[[Ask], Reply]
Route = tuple[str, Handler]
