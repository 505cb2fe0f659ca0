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
    "duplicate": "Duplicate inside the paid term (free, all certificates stay), else a renewal order",
    "renewal": "Always a renewal order",
    "new": "Always a new order",
}
_DROPPED = {
    "renewal": "A renewal order: the older certificates stay as they are",
    "reissue": "A reissue, once a person has accepted that the older certificates are revoked",
}
_HASHES = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


class DigiCertConfig(Config):
    """Account settings. The base URL (US or EU) is a common field of every connector."""

    api_key: Secret = setting(
        title="API key",
        help="Of a service user, best one for Chancery alone. CertCentral shows a key once, when it is made.",
        group="Credential",
    )
    second_api_key: Secret | None = setting(
        title="Second API key", group="Credential", default=None, advanced=True,
        help="The next key while keys are changed: used from the moment on that DigiCert refuses the first.",
    )  # fmt: skip
    api_key_until: str = setting(
        title="Key is to be replaced by", group="Credential", default="", pattern=r"^(20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))?$", advanced=True,
        help="Day (yyyy-mm-dd). The test of the connection warns 30 days before; DigiCert does not tell a key's age.",
    )  # fmt: skip
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
    container_id: str = setting(
        title="Division", help="Id of the division to order in; empty for the connector's.", group="Product",
        default="", pattern=r"^[0-9]{0,12}$", dynamic=True,
    )  # fmt: skip
    signature_hash: str = setting(
        title="Signature hash", group="Product", default="sha256", choices=_HASHES,
        help="With which DigiCert signs the certificate. SHA-256 is right, unless somebody asks for more.",
    )  # fmt: skip
    dcv_method: str = setting(
        title="Domain validation", group="Product", default="", choices=_DCV,
        help="How control of a name is shown, where the account has not validated it before. The order says what is to be done.",
    )  # fmt: skip
    order_days: int = setting(
        title="Days of the order", group="Product", default=365, ge=0, le=1095,
        help="What is paid for; renewals inside it are free. 0 means as long as the certificate, as subscriptions want it.",
    )  # fmt: skip
    longest_days: int = setting(
        title="Longest certificate", group="Product", default=0, ge=0, le=1096, advanced=True,
        help="Days; what is asked for beyond them is shortened. 0 means DigiCert's limits for public TLS by date.",
    )  # fmt: skip
    ca_cert_id: str = setting(
        title="Intermediate CA", help="Id of the intermediate; empty for the product's usual one.", group="Product",
        default="", advanced=True, pattern=r"^[A-Za-z0-9]{0,40}$",
    )  # fmt: skip
    renewal: str = setting(
        title="Renewal", group="Product", default="auto", choices=_RENEWALS, advanced=True,
        help="A reissue keeps the older certificates, unless it drops a name: see the next field.",
    )  # fmt: skip
    dropped_names: str = setting(
        title="Renewal without one of the names", group="Product", default="renewal", choices=_DROPPED, advanced=True,
        help="DigiCert revokes all older certificates of an order within 72 hours of a reissue that drops a name.",
    )  # fmt: skip
    profile_option: str = setting(
        title="Profile option", group="Product", default="", advanced=True, pattern=r"^[a-z0-9_]{0,60}$",
        help="For example server_client_auth_eku, which DigiCert is phasing out; empty for none.",
    )  # fmt: skip
