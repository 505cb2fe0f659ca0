"""What an administrator fills in for an emSign account at CERTInext, and per profile."""

from __future__ import annotations

from pydantic import ValidationInfo, field_validator

from chancery.core.secret import Secret
from chancery.sdk.config import Config, ProfileSettings, is_needed, setting

V2, V1, ACME = "v2", "v1", "acme"
_TRANSPORTS = {V2: "REST V2 (OAuth)", V1: "V1 (access key)", ACME: "ACME (EAB credential)"}
_VARIANTS = {
    "dv": "DV, one name",
    "dv-wildcard": "DV, one wildcard",
    "dv-ucc": "DV, several names",
    "dv-wildcard-ucc": "DV, several names with wildcards",
    "ov": "OV, one name",
    "ov-wildcard": "OV, one wildcard",
    "ov-ucc": "OV, several names",
    "ov-wildcard-ucc": "OV, several names with wildcards",
    "ev": "EV, one name",
    "ev-ucc": "EV, several names",
    "intranet-ssl": "Private PKI: intranet SSL",
    "igtf-host": "Private PKI: IGTF host",
}
PUBLIC_VARIANTS = frozenset(_VARIANTS) - {"intranet-ssl", "igtf-host"}
"""Products of public SSL; the others are private PKI."""
_DCV = {"dns-txt": "DNS TXT record", "http-url": "File on the web server", "email": "E-mail"}
_RENEWALS = {"auto": "Reissue inside the subscription, else a new order", "new": "Always a new order"}
_MODELS = {"": "As the account is set", "1": "Cash", "2": "Credit"}
_MAIL = {"none": "None", "all": "All of the CA's"}
HOSTS = {
    "_emudhra-challenge.{domain}": "_emudhra-challenge before the domain (V2 specification)",
    "_emsign-validation.{domain}": "_emsign-validation before the domain",
    "{domain}": "The domain itself (Domains interface)",
}
_BY_V2, _BY_V1, _BY_ACME = {"transport": (V2,)}, {"transport": (V1,)}, {"transport": (ACME,)}
_BY_REST = {"transport": (V2, V1)}
_CREDENTIAL, _ORDER, _PRODUCT = "Credential", "On every order", "Product"
_NUMBER, _MAIL_ADDRESS = r"^[0-9]{0,20}$", r"^([^@\s]{1,64}@[^@\s]{1,190})?$"


class EmSignConfig(Config):
    """Account settings. Which of them are needed is decided by the transport."""

    transport: str = setting(
        title="Transport", choices=_TRANSPORTS, default=V2, pattern=r"^(v2|v1|acme)$",
        help="V2 where the account has a credential in OAuth mode, else V1. ACME is for one product with an EAB credential.",
    )  # fmt: skip
    account_number: str = setting(
        needed=_BY_REST,
        only=_BY_REST,
        title="Account number", help="Shown in the portal; for V2 it is the client id.", group=_CREDENTIAL,
        default="", pattern=_NUMBER, validate_default=True,
    )  # fmt: skip
    client_secret: Secret | None = setting(
        needed=_BY_V2,
        only=_BY_REST,
        title="Client secret", help="Of a credential made in OAuth mode (Integrations → APIs). V1 takes it in place of the access key.",
        group=_CREDENTIAL, default=None, validate_default=True,
    )  # fmt: skip
    access_key: Secret | None = setting(
        needed=_BY_V1,
        only=_BY_V1,
        title="Access key", help="Of a credential made in access-key mode.", group=_CREDENTIAL, default=None,
        validate_default=True,
    )  # fmt: skip
    eab_key_id: str = setting(
        needed=_BY_ACME,
        only=_BY_ACME,
        title="EAB key ID", help="One EAB credential stands for one product.", group=_CREDENTIAL, default="",
        max_length=300, validate_default=True,
    )  # fmt: skip
    eab_hmac_key: Secret | None = setting(
        needed=_BY_ACME,
        only=_BY_ACME,
        title="EAB HMAC key", help="As the portal shows it (base64url).", group=_CREDENTIAL, default=None,
        validate_default=True,
    )  # fmt: skip
    account_key: Secret | None = setting(
        only=_BY_ACME,
        title="Account key", help="PEM (PKCS#8); made with a new connector when empty.", group=_CREDENTIAL,
        default=None, advanced=True, multiline=True, stays=True, validate_default=True,
    )  # fmt: skip
    acme_challenge: str = setting(
        only=_BY_ACME, title="Challenge", group="Domain validation", default="none", pattern=r"^(none|http-01)$",
        help="Take http-01 only where the names lead to this Chancery, at port 80.",
        choices={
            "none": "None: the domains are validated in the portal",
            "http-01": "http-01: Chancery answers under the name",
        },
    )  # fmt: skip
    server_key_pins: str = setting(
        title="Pinned server keys", advanced=True, default="", pins=True, pattern=r"^[0-9A-Fa-f:\s,]*$", max_length=2000,
        help="SHA-256 of the public keys that the server may have, in hex; beside the usual verification, which stays.",
    )  # fmt: skip
    group_number: str = setting(
        only=_BY_REST,
        title="Group", help="Billing group to order in; empty for the account's default.", group="Account", default="",
        pattern=r"^[A-Za-z0-9-]{0,40}$", dynamic=True,
    )  # fmt: skip
    accounting_model: str = setting(
        only=_BY_V1, title="Accounting", group="Account", default="", choices=_MODELS, advanced=True,
        help="How orders are paid for, where the account has both ways.",
    )  # fmt: skip
    consent_token: Secret | None = setting(
        only=_BY_REST, title="Organisation consent token", group="Account", default=None, advanced=True,
        help="Pre-vetting token of the organisation; with it OV and EV orders need no consent by e-mail.",
    )  # fmt: skip
    requestor_name: str = setting(
        needed=_BY_REST,
        only=_BY_REST,
        title="Requestor",
        help="A person, by name: whom the CA sees as asking. Needed for V2 and V1.",
        group=_ORDER,
        default="",
        max_length=100,
        validate_default=True,
    )
    requestor_email: str = setting(
        needed=_BY_REST,
        title="Requestor's e-mail", group=_ORDER, default="", pattern=_MAIL_ADDRESS, validate_default=True,
        help="Where the CA writes to about an order. Needed for V2 and V1.",
    )  # fmt: skip
    requestor_isd: str = setting(
        needed=_BY_V1,
        only=_BY_REST,
        title="Country code", help="Of the telephone, without plus, as 91. Needed for V1.", group=_ORDER, default="", pattern=r"^[0-9]{0,4}$",
        validate_default=True,
    )  # fmt: skip
    requestor_phone: str = setting(
        needed=_BY_V1,
        only=_BY_REST,
        title="Telephone", help="Without the country code. Needed for V1.", group=_ORDER, default="", pattern=r"^[0-9]{0,15}$",
        validate_default=True,
    )  # fmt: skip
    requestor_designation: str = setting(
        only=_BY_REST, title="Requestor's role", group=_ORDER, default="", max_length=100, advanced=True,
        help="As Administrator. The CA shows it with the order.",
    )  # fmt: skip
    technical_name: str = setting(
        only=_BY_REST,
        title="Technical contact",
        help="Empty: the requestor.",
        group=_ORDER,
        default="",
        max_length=100,
        advanced=True,
    )
    technical_email: str = setting(
        only=_BY_REST,
        title="Technical contact's e-mail",
        help="Empty: the requestor's.",
        group=_ORDER,
        default="",
        pattern=_MAIL_ADDRESS,
        advanced=True,
    )
    accept_agreement: bool = setting(
        title="Sign the subscriber agreement", group=_ORDER, default=False, validate_default=True,
        help="Signs it in the signer's name with every order. Without it each order waits for a person.",
    )  # fmt: skip
    signer_name: str = setting(
        only=_BY_REST, title="Signer", help="Empty: the requestor.", group=_ORDER, default="", max_length=100
    )
    signer_place: str = setting(
        only=_BY_REST, title="Place of signing", group=_ORDER, default="", max_length=100, validate_default=True,
        help="A town. Needed where the agreement is signed.",
    )  # fmt: skip
    signer_ip: str = setting(
        only=_BY_REST,
        title="Signer's address", help="A public IP address; V1 asks for it.", group=_ORDER, default="", max_length=45,
        validate_default=True,
    )  # fmt: skip
    mail: str = setting(
        only=_BY_REST, title="E-mails from the CA", group=_ORDER, default="none", choices=_MAIL,
        help="Chancery tells by itself where an order stands; the CA may write as well.",
    )  # fmt: skip
    dcv_txt_host: str = setting(
        only=_BY_REST,
        title="Host of the TXT record", group="Domain validation", default="_emudhra-challenge.{domain}",
        pattern=r"^[A-Za-z0-9_.-]*\{domain\}$",
        help="The documents name three: " + ", ".join(HOSTS) + ". A host that the CA tells goes first.",
    )  # fmt: skip
    dcv_verify: bool = setting(
        only=_BY_REST, title="Have the CA look again", group="Domain validation", default=True, advanced=True,
        help="Asks the CA, at every look, whether the record is there.",
    )  # fmt: skip

    @field_validator("*")
    @classmethod
    def _is_there(cls, value: object, info: ValidationInfo) -> object:
        transport = info.data.get("transport", V2)
        instead = info.field_name == "access_key" and bool(info.data.get("client_secret"))
        # `prepare` makes the account's key; it is asked for all the same, since settings also come without it.
        needed = info.field_name == "account_key" and transport == ACME
        if not value and not instead and (needed or is_needed(cls, str(info.field_name), info.data)):
            msg = f"needed for {_TRANSPORTS[transport]}"
            raise ValueError(msg)
        return value

    @field_validator("signer_place", "signer_ip")
    @classmethod
    def _is_signed(cls, value: str, info: ValidationInfo) -> str:
        needed = info.field_name == "signer_place" or info.data.get("transport") == V1
        signs = info.data.get("accept_agreement") and info.data.get("transport") != ACME
        if signs and needed and not value:
            msg = "needed to sign the subscriber agreement"
            raise ValueError(msg)
        return value

    @property
    def signer(self) -> str:
        """Return in whose name the agreement is signed."""
        return self.signer_name or self.requestor_name


class EmSignProfile(ProfileSettings):
    """What to order."""

    variant: str = setting(
        title="Product", group=_PRODUCT, default="dv", choices=_VARIANTS, pattern="^[a-z-]{2,20}$",
        help="What is checked (DV: the names; OV and EV: the organisation, too), and how many names a certificate has.",
    )  # fmt: skip
    product_code: str = setting(
        title="Product code", group=_PRODUCT, default="", pattern=_NUMBER, dynamic=True,
        help="From the account's catalogue. V1 and private PKI need it; V2 finds it by the product.",
    )  # fmt: skip
    organization_number: str = setting(
        title="Organisation", help="Needed for OV and EV.", group=_PRODUCT, default="", pattern=_NUMBER, dynamic=True
    )
    years: int = setting(
        title="Years of the subscription", group=_PRODUCT, default=1, ge=1, le=3,
        help="What is paid for. Renewals inside it are reissues.",
    )  # fmt: skip
    term_days: int = setting(
        title="Days that certificates run", group=_PRODUCT, default=199, ge=0, le=3650,
        help="The CA decides it. An order for fewer days is refused before it is sent; 0 lets any go.",
    )  # fmt: skip
    dcv_method: str = setting(
        title="Domain validation", group=_PRODUCT, default="dns-txt", choices=_DCV,
        help="How control of a name is shown, where the account has not validated it before. The order says what is to be done.",
    )  # fmt: skip
    renewal: str = setting(
        title="Renewal", group=_PRODUCT, default="auto", choices=_RENEWALS,
        help="A reissue is part of the subscription; a new order is paid for.",
    )  # fmt: skip
    draft: bool = setting(
        title="Save as draft", group=_PRODUCT, default=False, advanced=True,
        help="The order is only saved at CERTInext, and waits until a person there releases it.",
    )  # fmt: skip
