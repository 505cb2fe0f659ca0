"""A small authority around the client, so that the protocol can be held against the contract of all authorities."""

from hashlib import sha256
from typing import ClassVar

from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.protocols.wstep.client import DEDUP, WstepClient
from chancery.protocols.wstep.settings import WstepCredentials, WstepSettings
from chancery.protocols.wstep.simulator.service import Service
from chancery.sdk import Config, Facts, ProfileSettings, setting

FACTS = AuthorityFacts(
    key_types=("EC-P256", "RSA-2048"), name_kinds=("dns", "ip", "email", "uri"), max_names=40, validity_days_max=None
)
seen = {}
"""Client reference → SHA-256 of its request: the protocol has no field for a reference."""


class ProbeConfig(Config):
    user: str = setting(title="User", default="")
    password: Secret = setting(title="Password", default=Secret(""))
    login: str = setting(title="Login", default="UsernamePassword")


class ProbeProfile(ProfileSettings):
    """Nothing: the template is the connector's here."""


class Probe:
    slug: ClassVar = "wstep_probe"
    title: ClassVar = "CEP and CES"
    maker: ClassVar = "nobody"
    proof: ClassVar = "bronze"
    config: ClassVar = ProbeConfig
    profile: ClassVar = ProbeProfile
    api: ClassVar = (1, 1)
    facts: ClassVar = Facts(certificates=FACTS, dedup=DEDUP)

    def __init__(self, config, context):
        settings = WstepSettings(**Service.addresses(config.login), template="WebServer30")
        credentials = WstepCredentials(config.user, config.password)
        self._client = WstepClient(context.http, settings, credentials, context.clock)

    def check(self):
        return self._client.check()

    def submit(self, request):
        seen[request.reference] = sha256(request.csr).hexdigest()
        return self._client.submit(request)

    def poll(self, state, request):
        return self._client.poll(state, request)

    def adopt(self, reference, request):
        return self._client.adopt(reference, request)
