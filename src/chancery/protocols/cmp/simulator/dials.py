"""The dials of this server, beside the common ones of the sandbox."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class CmpDials(Settings):
    """Each off by default; `check_after` is how many seconds a pollRep asks to wait.

    `failure_bit` names the bit of a refusal (with the common dial `reject`), and `as_error` sends it as an error message
    instead of a reply. `odd_nonce` and `odd_transaction` answer with another recipNonce or transactionID;
    `unprotected` protects no answer, `unprotected_errors` no negative one, `spoilt` breaks every protection, and
    `weak_mac` takes SHA-1 for MACs. `never_implicit` grants no implicit confirmation, `refuse_confirmation` refuses every
    certConf, `forget` loses all transactions. `with_mods` answers grantedWithMods. `revocation_waits` lets revocations
    wait for an officer. `no_support` refuses support messages. `odd_body` answers with a pkiconf whatever was asked.
    `on_http` sends refusals under this status of HTTP, as RFC 9811 section 3.6 allows.
    """

    check_after: float = 30.0
    failure_bit: str = "badCertTemplate"
    as_error: bool = False
    odd_nonce: bool = False
    odd_transaction: bool = False
    unprotected: bool = False
    unprotected_errors: bool = False
    spoilt: bool = False
    weak_mac: bool = False
    never_implicit: bool = False
    refuse_confirmation: bool = False
    forget: bool = False
    with_mods: bool = False
    revocation_waits: bool = False
    no_support: bool = False
    odd_body: bool = False
    on_http: float = 0.0
