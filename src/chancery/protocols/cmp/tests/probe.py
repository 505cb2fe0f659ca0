"""A small authority around the CMP client, so that the protocol can be held against the contract of all authorities."""

from typing import ClassVar

from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.protocols.cmp import CmpClient, CmpSettings, RequestKind, SharedSecret, SigningKey, Unprotected
from chancery.sdk import Config, Dedup, Facts, Finding, Level, ProfileSettings, setting

FACTS = AuthorityFacts(
    key_types=("EC-P256", "EC-P384", "RSA-2048", "Ed25519"), name_kinds=("dns", "ip", "email", "uri"), max_names=50
)


ROUNDS = 100
"""What a MAC's key is derived with, here; the usual number is taken in the tests beside."""


class ProbeConfig(Config):
    reference: str = setting(title="Reference")
    secret: Secret = setting(title="Secret")
    mac: str = setting(title="MAC", default="pbm")
    request: str = setting(title="Request", default="p10cr")
    implicit: bool = setting(title="Implicit confirmation", default=True)
    certificate: str = setting(title="Certificate", default="")
    key: Secret | None = setting(title="Key", default=None)
    trust: str = setting(title="Trusted", default="")
    believed: str = setting(title="Unprotected errors", default="login")


class ProbeProfile(ProfileSettings):
    """Nothing: the CA decides."""


class Probe:
    slug: ClassVar = "cmp_probe"
    title: ClassVar = "CMP"
    maker: ClassVar = "nobody"
    proof: ClassVar = "bronze"
    config: ClassVar = ProbeConfig
    profile: ClassVar = ProbeProfile
    api: ClassVar = (1, 1)
    facts: ClassVar = Facts(certificates=FACTS, dedup=Dedup.NONE)

    def __init__(self, config, context):
        settings = CmpSettings(
            request=RequestKind(config.request),
            implicit_confirm=config.implicit,
            unprotected=Unprotected(config.believed),
            trust_pem=config.trust,
        )
        credential = SharedSecret(config.reference, config.secret, config.mac, iterations=ROUNDS)
        if config.key:
            credential = SigningKey(config.certificate, config.key)
        self.client = CmpClient(context.http, settings, credential, context.clock)

    def check(self):
        told = self.client.support()
        return [Finding("login", Level.OK, "known", f"The CA knows the credential ({len(told.certificates)}).")]

    def submit(self, request):
        return self.client.submit(request)

    def poll(self, state, request):
        return self.client.poll(state, request)

    def revoke(self, target, reason, comment):
        return self.client.revoke(target, reason)

    def poll_revocation(self, state, target):
        return self.client.poll_revocation(state)
