"""What an administrator fills in for a CertCentral account, and per profile."""

from __future__ import annotations

from chancery.core.secret import Secret
from chancery.sdk.config import Config, ProfileSettings, setting

_DCV = {
    "": "As the account is set",
    "email": "E-mail",
    "dns-txt-token": "DNS TXT record",
    "dns-cname-token": "DNS CNAME record",
    "http-token": "File on the web server",
}
_RENEWALS = {
    "auto": "Reissue inside the paid term (free), else a renewal order",
    "renewal": "Always a renewal order",
    "new": "Always a new order",
}
_HASHES = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


class DigiCertConfig(Config):
    """Account settings. The base URL (US or EU) is a common field of every connector."""

    api_key: Secret = setting(title="API key", help="Key of a service user; sent as X-DC-DEVKEY.", group="Credential")
    container_id: str = setting(
        title="Division", help="Id of the division (container) to order in; needed where there are several.",
        group="Account", default="", pattern=r"^[0-9]{0,12}$", dynamic=True,
    )  # fmt: skip
    reference_field_id: str = setting(
        title="Custom field for our reference",
        help="Id (metadata_id) of a text field made for Chancery. With it a lost answer is settled for certain.",
        group="Account", default="", pattern=r"^[0-9]{0,12}$", dynamic=True,
    )  # fmt: skip
    skip_approval: bool = setting(
        title="Skip the approval at DigiCert", help="Needs a key with administrator or manager rights.",
        group="Account", default=False,
    )  # fmt: skip
    rate_percent: int = setting(
        title="Share of the rate limit", group="Account", default=80, ge=1, le=95, advanced=True,
        help="Percent of DigiCert's requests per key that Chancery may use; less where others use the key too.",
    )  # fmt: skip


class DigiCertProfile(ProfileSettings):
    """What to order."""

    product: str = setting(
        title="Product", help="Product id of the account, for example ssl_basic.", group="Product",
        pattern=r"^[a-z0-9_]{2,60}$", dynamic=True,
    )  # fmt: skip
    organization_id: str = setting(
        title="Organisation", help="Needed for OV and EV products.", group="Product", default="",
        pattern=r"^[0-9]{0,12}$", dynamic=True,
    )  # fmt: skip
    signature_hash: str = setting(title="Signature hash", group="Product", default="sha256", choices=_HASHES)
    dcv_method: str = setting(title="Domain validation", group="Product", default="", choices=_DCV)
    order_days: int = setting(
        title="Days of the order", help="What is paid for; 0 means as long as the certificate.", group="Product",
        default=0, ge=0, le=1095,
    )  # fmt: skip
    ca_cert_id: str = setting(
        title="Intermediate CA", help="Id of the intermediate; empty for the product's usual one.", group="Product",
        default="", advanced=True, pattern=r"^[A-Za-z0-9]{0,40}$",
    )  # fmt: skip
    renewal: str = setting(
        title="Renewal", group="Product", default="auto", choices=_RENEWALS, advanced=True,
        help="A reissue is never used where it would drop a name, since that revokes the older certificates.",
    )  # fmt: skip
