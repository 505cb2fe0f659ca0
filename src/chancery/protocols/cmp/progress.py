"""How far a transaction got: the poll state that the engine keeps between two looks (schema 1)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta

from chancery.sdk.outcome import Issued, Pending, PendingKind, PollState

VERSION = 1
_LEAST, _MOST = timedelta(seconds=1), timedelta(days=1)
CONFIRM_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True)
class Progress:
    """`step` is poll, confirm, or chain (issued and confirmed; its issuers are still to be asked for). Octets are kept as hex, certificates as Base64 of their DER.

    `number` is the certReqId that the CA answered with; `tries` counts confirmations that were sent, or questions for the issuer.
    """

    step: str
    transaction: bytes
    nonce: bytes
    number: int
    leaf: bytes = b""
    chain: tuple[bytes, ...] = ()
    tries: int = 0

    @classmethod
    def read(cls, state: PollState) -> Progress:
        """Return what a stored state says."""
        return cls(
            step=str(state["step"]),
            transaction=bytes.fromhex(state["tid"]),
            nonce=bytes.fromhex(state["nonce"]),
            number=int(state["id"]),
            leaf=base64.b64decode(state.get("leaf", "")),
            chain=tuple(base64.b64decode(one) for one in state.get("chain", ())),
            tries=int(state.get("tries", 0)),
        )

    def state(self) -> PollState:
        """Return the state to be stored."""
        made: PollState = {
            "v": VERSION,
            "step": self.step,
            "tid": self.transaction.hex(),
            "nonce": self.nonce.hex(),
            "id": self.number,
        }
        if self.leaf:
            made["leaf"] = base64.b64encode(self.leaf).decode()
            made["chain"] = [base64.b64encode(one).decode() for one in self.chain]
            made["tries"] = self.tries
        return made

    def pending(self, kind: PendingKind, after: timedelta, text: str) -> Pending:
        """Return this as an outcome; `after` is held between a second and a day."""
        wait = min(max(after, _LEAST), _MOST)
        return Pending(self.state(), kind, wait, text, self.transaction.hex())

    def unconfirmed(self) -> Pending:
        """Return the outcome for a certificate that is here, and whose confirmation is still to be taken by the CA."""
        text = "The certificate is here; the CA has not yet answered its confirmation."
        return replace(self, tries=self.tries + 1).pending(PendingKind.PROCESSING, CONFIRM_AGAIN, text)

    def unchained(self, why: str) -> Pending:
        """Return the outcome for a certificate that is here without its issuer."""
        text = f"The certificate is here; its issuer is still to be fetched: {why}"
        return replace(self, step="chain", tries=self.tries + 1).pending(PendingKind.PROCESSING, CONFIRM_AGAIN, text)

    def issued(self) -> Issued:
        """Return the certificate."""
        return Issued(self.leaf, self.chain, self.transaction.hex())
