"""What an administrator fills in for an emCA: the vendor's own form, and the protocol by which it is spoken to."""

from __future__ import annotations

import re
from typing import Any

from chancery.core.secret import Secret
from chancery.sdk.config import Config, NonEmpty, ProfileSettings, setting

_VERSIONS = {"4.0.17": "V4.0.17", "4.2.3": "V4.2.3", "4.2.4": "V4.2.4 and later"}
_TRANSPORTS = {
    "cmp": "CMP: orders and revokes",
    "est": "EST: orders; revocation in emCA's portal alone",
    "acme": "ACME: orders and revokes; needs the names to be validated",
    "scep": "SCEP: orders; revocation in emCA's portal alone",
    "rest": "REST: Test connection alone (see the README)",
}
_PROTECTIONS = {"secret": "Shared secret (authentication code)", "certificate": "Signature by the uploaded certificate"}
_MACS = {"pbm": "Password-based MAC (RFC 9481 section 6.1.1)", "pbmac1": "PBMAC1 (RFC 9481 section 6.1.2)"}
_DIGESTS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_REQUESTS = {
    "p10cr": "p10cr: the request as it is",
    "cr": "cr: its content, vouched for by this connector",
    "ir": "ir: as cr, as a first request",
}
_BELIEVED = {
    "never": "None",
    "login": "Only that the credential is refused, which ends no order",
    "all": "All: a refusal of an order that nothing protects ends it",
}
_SCEP = {
    "challenge": "By the challenge password inside the certificate request",
    "certificate": "By the uploaded certificate of a registration authority",
    "manual": "By a person at emCA",
}
_VALIDATIONS = {
    "none": "none: emCA does not ask, or has validated the names before",
    "http-01": "http-01: Chancery answers under the name",
}
_CMP, _EST, _SCEP_ALONE = {"transport": ("cmp",)}, {"transport": ("est",)}, {"transport": ("scep",)}
_CMP_SECRET = {**_CMP, "cmp_protection": ("secret",)}
_SCEP_CHALLENGE = {**_SCEP_ALONE, "scep_authorization": ("challenge",)}
_SCEP_CERTIFICATE = {**_SCEP_ALONE, "scep_authorization": ("certificate",)}
_WITH_FILE = {"transport": ("cmp", "est", "scep")}
_ACME, _REST = {"transport": ("acme",)}, {"transport": ("rest",)}
_NONCES = {"uuid": "UUID", "hex": "32 hexadecimal digits", "millis": "Milliseconds since 1970"}


def _choice(choices: dict[str, str], default: str, title: str, group: str, about: str = "", **more: Any) -> Any:
    """Declare a field that takes one of several values, and nothing else."""
    return setting(
        title=title, help=about, group=group, default=default, choices=choices,
        pattern=f"^({'|'.join(map(re.escape, choices))})$", **more,
    )  # fmt: skip


class EmcaConfig(Config):
    """One emCA, one protocol. The base URL is a common field of every connector."""

    version: str = _choice(
        _VERSIONS,
        "4.2.4",
        "emCA version",
        "emCA",
        "Decides what is known of its REST interface; the other protocols are the same for all versions.",
    )
    transport: str = _choice(
        _TRANSPORTS,
        "cmp",
        "Protocol",
        "emCA",
        "Which of emCA's protocols this connector speaks. Each has to be switched on and configured in emCA.",
    )
    path: str = setting(
        title="Path of the protocol", group="emCA", default="", max_length=300,
        help="Below the base URL, as emCA's console shows it; the documents do not say it. Empty takes .well-known/cmp, "
        ".well-known/est, acme/directory, scep or emCAServices/rest.",
    )  # fmt: skip
    username: NonEmpty = setting(
        title="Username", group="Credential", help="The external application's user (application code) in emCA.",
    )  # fmt: skip
    password: Secret = setting(title="Password", group="Credential", help="Of that user. EST and REST log in with it.")
    issuing_ca: NonEmpty = setting(
        title="Issuing CA", group="emCA",
        help="The CA's name, character for character. Test connection compares it with what emCA shows of its CAs; over "
        "CMP, EST and SCEP that is the common name or the whole name in the CA's certificate.",
    )  # fmt: skip
    subscriber_id: str = setting(
        title="Subscriber ID", group="emCA", default="", max_length=200,
        help="From emCA's portal. Only REST sends it; for the other protocols emCA keeps it with the protocol's profile.",
    )  # fmt: skip
    credential_file: Secret | None = setting(
        only=_WITH_FILE, title="Credential file", group="Credential", default=None, multiline=True, stays=True,
        help="The certificate with its private key, if emCA gave one: PEM text, or the Base64 text of a PFX file. CMP can "
        "sign with it, EST shows it as client certificate, SCEP uses it as registration authority's.",
    )  # fmt: skip
    credential_password: Secret | None = setting(
        only=_WITH_FILE, title="Password of the credential file", group="Credential", default=None, stays=True,
        help="Empty where the file has none.",
    )  # fmt: skip
    cmp_protection: str = _choice(
        _PROTECTIONS, "secret", "Protection of messages", "CMP", "As the CMP endpoint of emCA is set up.", only=_CMP
    )
    cmp_reference: str = setting(
        only=_CMP_SECRET, title="Reference of the secret", group="CMP", default="", max_length=200,
        help="What tells emCA whose secret it is (senderKID). Empty takes the username.",
    )  # fmt: skip
    cmp_name: str = setting(
        only=_CMP, title="Our name in messages", group="CMP", default="", max_length=500, advanced=True,
        help="Distinguished name, as CN=Chancery. Empty: CN= and the reference of the secret.",
    )  # fmt: skip
    cmp_secret: Secret | None = setting(
        only=_CMP_SECRET,
        title="Authentication code", group="CMP", default=None, help="emCA's CMPAuthenticationCode.",
    )  # fmt: skip
    cmp_mac: str = _choice(
        _MACS,
        "pbm",
        "Kind of MAC",
        "CMP",
        "The documents do not say which emCA takes; the first one is what RFC 4210 knows.",
        advanced=True,
        only=_CMP_SECRET,
    )
    cmp_digest: str = _choice(
        _DIGESTS, "sha256", "Digest of the MAC", "CMP", "Leave it, unless emCA refuses the protection.",
        advanced=True, only=_CMP_SECRET,
    )  # fmt: skip
    cmp_request: str = _choice(
        _REQUESTS,
        "p10cr",
        "Kind of request",
        "CMP",
        "Leave it, unless the endpoint takes no p10cr.",
        advanced=True,
        only=_CMP,
    )
    cmp_implicit: bool = setting(
        only=_CMP, title="Ask for implicit confirmation", group="CMP", default=True, advanced=True,
        help="Saves the message that confirms each certificate, where emCA grants it.",
    )  # fmt: skip
    cmp_recipient: str = setting(
        only=_CMP, title="Recipient", group="CMP", default="", max_length=500, advanced=True,
        help="Distinguished name of the CA in messages, as CN=Issuing CA,O=Example. Empty: CN= and the issuing CA's name.",
    )  # fmt: skip
    cmp_trust: str = setting(
        only=_CMP,
        title="Certificates that sign answers", group="CMP", default="", max_length=50_000, multiline=True, advanced=True,
        help="PEM: emCA's signer, or the CA above it. Needed where answers are signed.",
    )  # fmt: skip
    cmp_unprotected: str = _choice(
        _BELIEVED, "login", "Unprotected errors to believe", "CMP",
        "Anybody on the way can write such an error. Believe more only in a network of your own.", advanced=True, only=_CMP,
    )  # fmt: skip
    est_label: str = setting(
        only=_EST, title="Label", group="EST", default="", max_length=100, advanced=True,
        help="The part of the address that chooses a CA or profile (RFC 7030 section 3.2.2). Empty where emCA gave none.",
    )  # fmt: skip
    est_reenroll: bool = setting(
        only=_EST, title="Renew by simplereenroll", group="EST", default=False, advanced=True,
        help="Many servers allow it only to the holder of the very certificate. Off, renewals go to simpleenroll.",
    )  # fmt: skip
    est_returns_original: bool = setting(
        only=_EST, title="A repeated request brings the original", group="EST", default=False, advanced=True,
        help="Only where you know it of your emCA: the very request that it has certified before is answered with the same "
        "certificate. A lost answer is then settled by sending the request again, and else by a person. Where it is not "
        "so, certificates are issued twice.",
    )  # fmt: skip
    scep_authorization: str = _choice(
        _SCEP,
        "challenge",
        "How emCA allows requests",
        "SCEP",
        "As the SCEP endpoint of emCA is set up.",
        only=_SCEP_ALONE,
    )
    scep_challenge: Secret | None = setting(
        only=_SCEP_CHALLENGE, title="Challenge password", group="SCEP", default=None,
        help="From the device's registration in emCA. It must be in the certificate request already; here it is compared.",
    )  # fmt: skip
    scep_key: Secret | None = setting(
        only=_SCEP_ALONE,
        title="Transport key", group="SCEP", default=None, multiline=True, advanced=True, stays=True,
        help="RSA, PEM; made at creation when empty. It opens emCA's answers, and is no key of a certificate's.",
    )  # fmt: skip
    scep_fingerprint: str = setting(
        only=_SCEP_ALONE, title="Fingerprint of the CA", group="SCEP", default="", max_length=200, advanced=True,
        help="SHA-256 of the CA's certificate in hex, learnt by another way. With it the address may be http.",
        pattern=r"^\s*([0-9A-Fa-f]{2}[: ]?){32}\s*$|^$",
    )  # fmt: skip
    scep_ca_name: str = setting(
        only=_SCEP_ALONE, title="Name of the CA at the server", group="SCEP", default="", max_length=100, advanced=True,
        help="Goes along with GetCACaps and GetCACert where a server has several CAs (RFC 8894 section 4.2).",
    )  # fmt: skip
    scep_renewal: bool = setting(
        only=_SCEP_CERTIFICATE, title="Renew by RenewalReq", group="SCEP", default=False, advanced=True,
        help="Where emCA announces Renewal. Off, renewals go as new requests.",
    )  # fmt: skip
    scep_remembers: bool = setting(
        only=_SCEP_ALONE, title="Transactions are kept", group="SCEP", default=False, advanced=True,
        help="Only where you know it of your emCA: a repeated transactionID is answered with the certificate of the first "
        "request (RFC 8894 section 3.2.1.1). A lost answer is then settled by sending the request again, and else by a "
        "person. Where it is not so, certificates are issued twice.",
    )  # fmt: skip
    scep_3des: bool = setting(
        only=_SCEP_ALONE, title="Allow triple DES", group="SCEP", default=False, advanced=True,
        help="For an old server that announces no AES.",
    )  # fmt: skip
    scep_sha1: bool = setting(
        only=_SCEP_ALONE, title="Accept SHA-1", group="SCEP", default=False, advanced=True,
        help="Under the server's answers, for an old server. Requests are never signed with it.",
    )  # fmt: skip
    acme_validation: str = _choice(
        _VALIDATIONS, "none", "Validation", "ACME", "How control of a name is shown to emCA.", only=_ACME
    )
    acme_terms: bool = setting(
        only=_ACME, title="Terms agreed", group="ACME", default=False,
        help="That you have read the terms of service that emCA names, and agree. Some servers make no account without it.",
    )  # fmt: skip
    eab_key_id: str = setting(
        only=_ACME, title="EAB key id", group="ACME", default="", max_length=500,
        help="Of the external account that emCA gave you. Empty where it asks for none.",
    )  # fmt: skip
    eab_hmac_key: Secret | None = setting(
        only=_ACME, title="EAB HMAC key", group="ACME", default=None,
        help="It came with the key id (base64url).",
    )  # fmt: skip
    account_key: Secret | None = setting(
        only=_ACME, title="Account key", group="ACME", default=None, multiline=True, advanced=True, stays=True,
        help="PEM without password; made at creation when empty.",
    )  # fmt: skip
    rest_nonce: str = _choice(
        _NONCES,
        "uuid",
        "Form of X-Nonce",
        "REST",
        "The documents name this header and not what stands in it.",
        advanced=True,
        only=_REST,
    )
    client_id: str = setting(
        only=_REST, title="Client ID", group="REST", default="", max_length=200,
        help="What emCA 4.2 and later gave at the registration of the external application.",
    )  # fmt: skip


class EmcaProfile(ProfileSettings):
    """Nothing: emCA keeps one certificate profile for each protocol, on its own side."""
