"""CertCentral's own dials: settings of the account, and what the documents leave open."""

from __future__ import annotations

from dataclasses import dataclass

from chancery.sandbox.dials import Settings


@dataclass
class CertCentralDials(Settings):
    """Beside the common ones.

    Here `needs_approval` means that the account honours no `skip_approval`, and `issue_delay` (seconds) also delays
    reissues and duplicates. `dcv` says which names count as validated when they are first ordered: `reserved` those
    set aside for documentation and tests, `none`, or `all`. `dcv_delay` (seconds, 0 never) lets validation succeed by
    itself. `wrong_downloads` counts downloads that hold another certificate. `renewal_window` refuses renewals outside of
    90 days before and 7 after the end of the paid term; `certificates_approved` calls issued certificates so in lists.
    """

    auto_approve: bool = False
    dcv: str = "reserved"
    dcv_delay: float = 0.0
    organization_expired: bool = False
    caa_fails: bool = False
    required_field: bool = False
    refuse_key_reuse: bool = False
    refuse_renewals: bool = False
    renewal_refusal: str = "order_not_renewable"
    strict_cancel: bool = False
    strict_after: bool = False
    skip_refused: bool = False
    order_status_200: bool = False
    revoked_code: str = "already_revoked"
    revoke_last_ends_order: bool = False
    wrong_downloads: int = 0
    duplicate_keys: bool = False
    blank_names: bool = False
    omit_empty_lists: bool = False
    renewal_window: bool = False
    certificates_approved: bool = False
