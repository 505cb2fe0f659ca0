"""CERTInext's own dials: settings of the account, and what the documents leave open or contradict."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.protocols.acme.simulator.dials import AcmeDials


@dataclass
class CertinextDials(AcmeDials):
    """Beside the common ones and those of ACME, where an account is bound and its domains were validated before.

    `issue_delay` (seconds) lets an order wait for an approver; `sign_delay` lets it be *issued* before it is signed,
    `download_lag` before its PEM can be fetched, with 422, or 409 where `not_ready` is 409. `dcv` says which domains count as validated
    when they are first ordered: `reserved` those set aside for documentation, `none`, or `all`. `txt_host` is where the
    CA looks for a TXT record: a label before the domain, or '' for the domain itself; `tell_host` says whether it tells.
    `dcv_lag` is how long after an order its challenge cannot be asked for. `issuer` chooses the hierarchy: good,
    compromised, or removed. `revoke_tokens` counts calls that find their token revoked early.
    `revoke_delay` (seconds) lets a revocation wait, and `revoke_refused` lets it be rejected by a person at the CA.
    `stale_shapes` answers lists as the documents' older examples have them. `keeps_id` lets a reissue keep its order's
    number, as the specification says. `hides_tags` leaves tags out of reports. `refuse_same_csr` answers EMS-1099.
    """

    eab_required: bool = True
    preauthorized: bool = True
    auto_approve: bool = True
    sign_delay: float = 0.0
    download_lag: float = 1.0
    not_ready: int = 422
    dcv: str = "reserved"
    dcv_lag: float = 0.0
    txt_host: str = "_emudhra-challenge"
    tell_host: bool = False
    dcv_example: bool = False
    organization_pending: bool = False
    needs_documents: bool = False
    ignores_csr: bool = False
    ignores_agreement: bool = False
    issuer: str = "good"
    token_life: float = 3600.0
    revoke_tokens: int = 0
    revoke_delay: float = 0.0
    revoke_refused: bool = False
    keeps_id: bool = False
    stale_shapes: bool = False
    hides_tags: bool = False
    no_reports: bool = False
    refuse_same_csr: bool = False
    disabled_user: bool = False
    private_body: bool = False
    verify_body: bool = True
