"""emCA of eMudhra, a private CA, by the protocol that the administrator chooses: CMP, EST, ACME or SCEP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from chancery.authorities.emca import upload
from chancery.authorities.emca.config import EmcaConfig, EmcaProfile
from chancery.authorities.emca.transport import POWERS, Transport, dedup_of
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.net.identity import ClientIdentity
from chancery.sdk.authority import Context, Dedup, Descriptor, DoorOptions, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.errors import AuthFailed
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Found, Outcome, PollState, RevocationPending, Revoked


class Emca:
    """One class for all protocols; what each can do is said by `narrow` (docs/adr/0007)."""

    slug: ClassVar[str] = "emca"
    title: ClassVar[str] = "emCA"
    maker: ClassVar[str] = "eMudhra emCA (private CA)"
    proof: ClassVar[str] = "bronze"
    config: ClassVar[type[Config]] = EmcaConfig
    profile: ClassVar[type[ProfileSettings]] = EmcaProfile
    api: ClassVar[tuple[int, int]] = (1, 1)
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384"),
            name_kinds=("dns", "ip", "email", "uri"),
            max_names=100,
        ),
        dedup=Dedup.NONE,
    )

    def __init__(self, config: EmcaConfig, context: Context) -> None:
        self._over = _transport(config, context)

    @classmethod
    def narrow(cls, about: Descriptor, settings: Mapping[str, Any]) -> Descriptor:
        """Return what emCA can do over the protocol of these settings."""
        chosen = str(settings.get("transport") or "cmp")
        certificates = about.facts.certificates
        if chosen == "acme":
            certificates = replace(certificates, name_kinds=("dns", "ip"))
        facts = replace(
            about.facts,
            certificates=certificates,
            dedup=dedup_of(chosen, settings),
            # EST asks by sending the request again, so a look whose worker vanished may have ordered.
            polls_are_acts=chosen == "est",
            # SCEP takes the CA's certificate for true as it comes, unless it is known by its fingerprint.
            plain_http=chosen == "cmp" or (chosen == "scep" and bool(settings.get("scep_fingerprint"))),
        )
        return replace(about, powers=about.powers & POWERS.get(chosen, frozenset()), facts=facts)

    @classmethod
    def door_options(cls, config: EmcaConfig) -> DoorOptions:
        """Return the uploaded certificate as our own in TLS, for EST."""
        if config.transport != "est" or not config.credential_file:
            return DoorOptions()
        try:
            given = upload.read(config)
        except AuthFailed:
            # An empty identity makes the door say that the client certificate cannot be used.
            return DoorOptions(ClientIdentity("", Secret("")))
        return DoorOptions(ClientIdentity(given.chain_pem, given.key_pem)) if given else DoorOptions()

    @classmethod
    def prepare(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Make the key that the chosen protocol needs of its own, unless one is given."""
        chosen = values.get("transport")
        if chosen == "scep" and not values.get("scep_key") and not values.get("credential_file"):
            from chancery.protocols.scep.identity import fresh_key

            return {**values, "scep_key": fresh_key().reveal()}
        if chosen == "acme" and not values.get("account_key"):
            from chancery.protocols.acme.keys import new_account_key

            return {**values, "account_key": new_account_key()}
        return dict(values)

    def check(self) -> Iterable[Finding]:
        """Login, issuing CA, subscriber and chain, as far as the protocol shows them; changes nothing."""
        return self._over.check()

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""
        return self._over.submit(request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look how an accepted request stands."""
        return self._over.poll(state, request)

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate, over CMP or ACME; neither has a place for a comment."""
        del comment
        return self._over.revoke(target, reason)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how an accepted revocation stands."""
        return self._over.poll_revocation(state, target)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names, over ACME."""
        return self._over.adopt(reference, request)


def _transport(config: EmcaConfig, context: Context) -> Transport:
    """Return the protocol; each is imported when it is used, since their libraries take their time."""
    if config.transport == "est":
        from chancery.authorities.emca.over_est import OverEst

        return OverEst(config, context)
    if config.transport == "acme":
        from chancery.authorities.emca.over_acme import OverAcme

        return OverAcme(config, context)
    if config.transport == "scep":
        from chancery.authorities.emca.over_scep import OverScep

        return OverScep(config, context)
    if config.transport == "rest":
        from chancery.authorities.emca.over_rest import OverRest

        return OverRest(config, context)
    from chancery.authorities.emca.over_cmp import OverCmp

    return OverCmp(config, context)
