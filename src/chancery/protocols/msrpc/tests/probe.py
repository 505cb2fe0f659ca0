"""A small authority around the client, so that the protocol can be held against the contract of all authorities.

The suite's line between authority and CA speaks HTTP, so for it this authority reaches nothing outside: the simulator plays
the faults of the line by itself, and the tests beside this one those of the packets.
"""

from typing import ClassVar

from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.msrpc.channel import Wire
from chancery.protocols.msrpc.client import DEDUP, MsrpcClient
from chancery.protocols.msrpc.managing import REASONS
from chancery.protocols.msrpc.settings import MsrpcCredentials, MsrpcSettings
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.sdk import Config, Facts, ProfileSettings, setting

FACTS = AuthorityFacts(
    key_types=("EC-P256", "RSA-2048"), name_kinds=("dns", "ip", "email", "uri"), max_names=40, validity_days_max=None
)


class ProbeConfig(Config):
    host: str = setting(title="Host")
    port: int = setting(title="Port")
    ca: str = setting(title="CA")
    user: str = setting(title="User")
    manager: str = setting(title="Manager")
    password: Secret = setting(title="Password")


class ProbeProfile(ProfileSettings):
    """Nothing: the template is the connector's here."""


class Probe:
    slug: ClassVar = "msrpc_probe"
    title: ClassVar = "RPC"
    maker: ClassVar = "nobody"
    proof: ClassVar = "bronze"
    config: ClassVar = ProbeConfig
    profile: ClassVar = ProbeProfile
    api: ClassVar = (1, 1)
    outside: ClassVar = False
    facts: ClassVar = Facts(certificates=FACTS, dedup=DEDUP, revocation_reasons=REASONS)

    def __init__(self, config, context):
        wire = Wire(AddressPolicy(("127.0.0.0/8",)), timeout=5.0)
        settings = MsrpcSettings(config.host, config.ca, template="WebServer30", port=config.port)
        enroll = Credentials(Way.NTLM, config.user, config.password)
        manage = Credentials(Way.NTLM, config.manager, config.password)
        self._client = MsrpcClient(wire, settings, MsrpcCredentials(enroll, manage), context.clock)

    def check(self):
        return self._client.check()

    def reach(self):
        return self._client.reach()

    def submit(self, request):
        return self._client.submit(request)

    def poll(self, state, request):
        return self._client.poll(state, request)

    def find(self, request, since):
        return self._client.find(request, since)

    def adopt(self, reference, request):
        return self._client.adopt(reference, request)

    def cancel(self, state, request):
        self._client.cancel(state)

    def release(self, state, request):
        self._client.release(state)

    def revoke(self, target, reason, comment):
        return self._client.revoke(target, reason)

    def poll_revocation(self, state, target):
        raise AssertionError("a revocation is never pending here")

    def inventory(self, cursor):
        return self._client.inventory(cursor)

    def fetch(self, reference):
        return self._client.fetch(reference)
