"""An ACME CA's own dials."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class AcmeDials(Settings):
    """Beside the common ones.

    Here `issue_delay` (seconds) keeps finalized orders in *processing*; `refuse_key` closes every account.
    `bad_nonces` is the share of signed requests whose nonce is refused. `validation` says what an answered challenge
    comes to: `accept`, `refuse`, or `look`, by asking `http_at` (host:port in the name's place) and `dns_at` (host:port
    of a DNS server); `validation_delay` seconds after it was answered. `preauthorized` has every name validated before.
    `reuse` gives a name's valid authorization to later orders. `stubborn_orders` keeps an order pending although one
    of its names failed. `ready_delay` (seconds) keeps it pending although all are valid. `issues_late` makes the
    answer to finalize *processing* and has the certificate ready at once.
    `replaces_refusal` is the type of problem that answers `replaces`, `profile_refusal` that of an unknown profile.
    `renew_now` sets the suggested window in the past. `other_host` is an origin that the directory's links lead to.
    `forget_orders` answers 404 for every order. Raising `resets` sets the CA up anew: accounts, orders and used bindings
    are forgotten, and numbers begin at one again. `stranger` is the type of problem (status 403) that answers a signature
    by another key than the named account's; '' has *malformed* (400).
    """

    bad_nonces: float = 0.0
    eab_required: bool = False
    terms: bool = True
    terms_changed: bool = False
    refuse_contacts: bool = False
    reuse: bool = True
    preauthorized: bool = False
    validation: str = "accept"
    validation_delay: float = 0.0
    http_at: str = ""
    dns_at: str = ""
    offered: str = "http-01 dns-01 tls-alpn-01 dns-persist-01"
    stubborn_orders: bool = False
    ready_delay: float = 0.0
    issues_late: bool = False
    caa_fails: bool = False
    bad_csr: bool = False
    not_after_refused: bool = False
    forget_orders: bool = False
    renewal_info: bool = True
    renew_now: bool = False
    replaces_refusal: str = ""
    profile_refusal: str = "invalidProfile"
    no_key_change: bool = False
    other_host: str = ""
    resets: int = 0
    stranger: str = ""
