"""Small authorities around the SCEP client, so that the protocol can be held against the contract of all authorities."""

from typing import ClassVar

from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.protocols.scep.client import DEDUP, ScepClient
from chancery.protocols.scep.settings import Authorization, ScepCredentials, ScepSettings
from chancery.sdk import Config, Dedup, Facts, ProfileSettings, setting

FACTS = AuthorityFacts(
    key_types=("EC-P256", "EC-P384", "RSA-2048"), name_kinds=("dns", "ip", "email", "uri"), max_names=50
)


class ProbeConfig(Config):
    service: str = setting(title="Service", default="open")
    transport_key: Secret = setting(title="Transport key")
    certificate: str = setting(title="Transport certificate", default="")


class ProbeProfile(ProfileSettings):
    """Nothing: the service decides."""


class Forgetting:
    """For a CA that is not known to keep transactions."""

    slug: ClassVar = "scep_forgetting"
    title: ClassVar = "SCEP"
    maker: ClassVar = "nobody"
    proof: ClassVar = "bronze"
    config: ClassVar = ProbeConfig
    profile: ClassVar = ProbeProfile
    api: ClassVar = (1, 1)
    facts: ClassVar = Facts(certificates=FACTS, dedup=Dedup.NONE)
    remembers: ClassVar = False

    def __init__(self, config, context):
        authorization = Authorization.CERTIFICATE if config.certificate else Authorization.MANUAL
        settings = ScepSettings(path=config.service, authorization=authorization, remembers=self.remembers)
        credentials = ScepCredentials(config.transport_key, config.certificate)
        self._client = ScepClient(context.http, settings, credentials, context.clock)

    def check(self):
        return self._client.check()

    def submit(self, request):
        return self._client.submit(request)

    def poll(self, state, request):
        return self._client.poll(state, request)


class Returning(Forgetting):
    """For a CA that keeps transactions: a request sent again brings the original."""

    slug: ClassVar = "scep_returning"
    facts: ClassVar = Facts(certificates=FACTS, dedup=DEDUP)
    remembers: ClassVar = True


class Finding(Returning):
    """For the same CA, settled by asking (CertPoll) instead of sending again."""

    slug: ClassVar = "scep_finding"
    facts: ClassVar = Facts(certificates=FACTS, dedup=Dedup.NONE)

    def find(self, request, since):
        return self._client.find(request)
