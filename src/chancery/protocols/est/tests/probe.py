"""A small authority around the EST client, so that the protocol can be held against the contract of all authorities."""

from hashlib import sha256
from typing import ClassVar

from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.protocols.est.client import DEDUP, EstClient
from chancery.protocols.est.settings import EstCredentials, EstSettings
from chancery.sdk import Config, Dedup, Facts, ProfileSettings, setting

FACTS = AuthorityFacts(
    key_types=("EC-P256", "EC-P384", "RSA-2048"), name_kinds=("dns", "ip", "email", "uri"), max_names=50
)
seen = {}
"""Client reference → SHA-256 of its request: EST has no field for a reference, so the server's ledger knows none."""


class ProbeConfig(Config):
    user: str = setting(title="User")
    password: Secret = setting(title="Password")
    label: str = setting(title="Label", default="servers")
    reenroll: bool = setting(title="Re-enrol", default=False)


class ProbeProfile(ProfileSettings):
    """Nothing: the label decides."""


class Probe:
    slug: ClassVar = "est_probe"
    title: ClassVar = "EST"
    maker: ClassVar = "nobody"
    proof: ClassVar = "bronze"
    config: ClassVar = ProbeConfig
    profile: ClassVar = ProbeProfile
    api: ClassVar = (1, 1)
    facts: ClassVar = Facts(certificates=FACTS, dedup=DEDUP, polls_are_acts=True)
    returns_original: ClassVar = False

    def __init__(self, config, context):
        settings = EstSettings(label=config.label, reenroll=config.reenroll, returns_original=self.returns_original)
        self._client = EstClient(context.http, settings, EstCredentials(config.user, config.password), context.clock)

    def check(self):
        return self._client.check()

    def submit(self, request):
        seen[request.reference] = sha256(request.csr).hexdigest()
        return self._client.submit(request)

    def poll(self, state, request):
        return self._client.poll(state, request)


class Remembering(Probe):
    """For a server that is known to hand out the original."""

    slug: ClassVar = "est_remembering"
    facts: ClassVar = Facts(certificates=FACTS, dedup=Dedup.RETURN_ORIGINAL)
    returns_original: ClassVar = True
