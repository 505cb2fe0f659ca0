"""What an administrator fills in for an ACME account, and what differs per profile."""

from __future__ import annotations

from chancery.core.secret import Secret
from chancery.protocols.acme.settings import AcmeSettings, ChallengeType, Eab
from chancery.protocols.acme.solving.providers import PROVIDERS
from chancery.sdk.config import Config, ProfileSettings, setting

_CHALLENGES = {
    ChallengeType.HTTP.value: "http-01: Chancery answers under the name",
    ChallengeType.DNS.value: "dns-01: Chancery writes a TXT record at the DNS provider",
    ChallengeType.PERSIST.value: "dns-persist-01: a standing TXT record that you put once",
    ChallengeType.NONE.value: "none: the CA has validated the domains before",
}
_BY_DNS = {"challenge": (ChallengeType.DNS.value,)}
_BY_LOOK = {"challenge": (ChallengeType.DNS.value, ChallengeType.PERSIST.value)}
_ALGORITHMS = {name: name for name in ("HS256", "HS384", "HS512")}


class AcmeConfig(Config):
    """The account at one ACME directory; the base URL is the directory's whole address."""

    contact: str = setting(
        title="Contact",
        help="E-mail addresses, separated by commas, that the CA may write to. Many CAs take none.",
        group="Account",
        default="",
        max_length=500,
    )
    terms_agreed: bool = setting(
        title="Terms agreed",
        help="You have read the CA's terms of service (Test connection shows their address) and agree to them.",
        group="Account",
        default=False,
    )
    eab_key_id: str = setting(
        title="EAB key id",
        help="External account binding, where the CA wants one: the key id that its console shows.",
        group="Account",
        default="",
        max_length=500,
    )
    eab_hmac_key: Secret | None = setting(
        title="EAB HMAC key",
        help="The secret of the binding, Base64. Many CAs let it be used once.",
        group="Account",
        default=None,
        stays=True,
    )
    eab_algorithm: str = setting(
        title="EAB algorithm",
        help="HS256, unless the CA says otherwise.",
        group="Account",
        default="HS256",
        choices=_ALGORITHMS,
        advanced=True,
    )
    account_key: Secret = setting(
        title="Account key",
        help="PEM without password; made at creation when empty. It is the account: whoever has it can order and revoke.",
        group="Account",
        advanced=True,
        stays=True,
        multiline=True,
    )
    previous_account_key: Secret | None = setting(
        title="Former account key",
        help="When you replace the account key: the old one. The account is moved to the new key by the next order.",
        group="Account",
        default=None,
        advanced=True,
        stays=True,
        multiline=True,
    )
    challenge: str = setting(
        title="Validation",
        help="How the CA sees that the names are yours.",
        group="Validation",
        default=ChallengeType.HTTP.value,
        choices=_CHALLENGES,
    )
    dns_provider: str = setting(
        only=_BY_DNS,
        title="DNS provider",
        help="Whose API holds your zones.",
        group="Validation",
        default="",
        choices={"": "none", **{name: name for name in PROVIDERS}},
        destination=True,
    )
    dns_credentials: Secret | None = setting(
        only=_BY_DNS,
        title="DNS credentials",
        help="The provider's options, one a line, as in 'auth_token = …'. docs/egress.md says which.",
        group="Validation",
        default=None,
        multiline=True,
    )
    dns_zone: str = setting(
        only=_BY_DNS,
        title="DNS zone",
        help="The zone at the provider. Empty: found by DNS for each name.",
        group="Validation",
        default="",
        max_length=253,
        advanced=True,
    )
    dns_resolver: str = setting(
        only=_BY_LOOK,
        title="DNS servers to ask",
        help="Addresses (host or host:port, separated by commas) that tell whether a record can be seen. Empty: the "
        "zone's own servers.",
        group="Validation",
        default="",
        max_length=500,
        advanced=True,
    )
    preferred_chain: str = setting(
        title="Preferred chain",
        help="A part of the name of the root that the chain shall lead to, where the CA offers several chains.",
        group="Certificates",
        default="",
        max_length=200,
        advanced=True,
    )
    publicly_trusted: bool = setting(
        title="Publicly trusted",
        help="All that comes from this directory is publicly trusted TLS, so that it may stand in for other public CAs in a "
        "pool. Of well-known directories Chancery knows it; say it only of another one that you know.",
        group="Certificates",
        default=False,
        advanced=True,
    )
    other_hosts: str = setting(
        title="Other hosts of the CA",
        help="Hosts, separated by commas, beside the directory's that the CA's links may lead to.",
        group="Connection",
        default="",
        max_length=500,
        advanced=True,
    )

    def acme(self) -> AcmeSettings:
        """Return the settings as the protocol's client takes them."""
        eab = None
        if self.eab_key_id.strip() and self.eab_hmac_key:
            eab = Eab(self.eab_key_id, self.eab_hmac_key, self.eab_algorithm)
        return AcmeSettings(
            contacts=tuple(listed(self.contact)),
            terms_agreed=self.terms_agreed,
            eab=eab,
            previous_key=self.previous_account_key,
            other_hosts=frozenset(host.lower() for host in listed(self.other_hosts)),
            preferred_chain=self.preferred_chain.strip(),
        )


class AcmeProfile(ProfileSettings):
    """What a profile asks of the CA beside names and key."""

    profile: str = setting(
        title="CA profile",
        help="One of those that the CA's directory offers; empty: the CA's default.",
        group="Order",
        default="",
        dynamic=True,
        max_length=100,
    )
    not_after: bool = setting(
        title="Ask for the end date",
        help="Put the wanted end into the order. Google and some private CAs heed it; most public CAs refuse it.",
        group="Order",
        default=False,
    )
    replaces: bool = setting(
        title="Name the renewed certificate",
        help="Tell the CA which certificate a renewal replaces, where it has renewal information (RFC 9773).",
        group="Order",
        default=True,
        advanced=True,
    )


def listed(text: str) -> list[str]:
    """Return the parts of a text that are separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
