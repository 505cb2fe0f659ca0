"""The directory as the place where templates and rights come from, whatever the CA is ordered from by."""

from __future__ import annotations

from chancery.authorities.adcs.config import AdcsConfig, bare_ca_name, typed_templates
from chancery.authorities.adcs.directory import dangers
from chancery.authorities.adcs.directory.listing import Forest, Listed, read
from chancery.protocols.ldap.client import LdapClient
from chancery.protocols.ldap.settings import LdapSettings, LdapWire, Protection
from chancery.protocols.negotiate import Credentials, Way
from chancery.sdk.authority import Context
from chancery.sdk.errors import AuthFailed, AuthorityError
from chancery.sdk.finding import Finding, Level
from chancery.sdk.outcome import Choice


class Directory:
    """The directory of one connector; `used` says whether it has one. Construction opens nothing."""

    def __init__(self, config: AdcsConfig, context: Context) -> None:
        self._config, self._context = config, context
        self.used = config.reads_directory

    def choices(self) -> list[Choice]:
        """Return what the CA publishes, what can be used first; and what was typed and is not there."""
        typed, forest = typed_templates(self._config), self._forest()
        listed = [one for one in forest.published if not one.template.is_for_cas]
        shown = sorted((_choice(one, typed) for one in listed), key=lambda choice: not choice.detail["usable"])
        missing = [name for name in typed if forest.template(name) is None]
        return [*shown, *(Choice(n, f"{typed[n]} (the CA does not publish it)", {"usable": False}) for n in missing)]

    def findings(self) -> list[Finding]:
        """Return how each typed template stands, and the weaknesses of all that the CA publishes."""
        try:
            forest = self._forest()
        except AuthorityError as error:
            # Orders do not need it, so it makes nobody's connector broken.
            remedy = error.remedy or "Check the directory's host, and the account."
            return [Finding("product", Level.WARNING, error.code or error.kind, error.message, error.text, remedy)]
        names = list(typed_templates(self._config))
        told = [_standing(name, forest) for name in names] or [_all(forest)]
        return [*told, *dangers.findings(forest)]

    def _forest(self) -> Forest:
        config, http = self._config, self._context.http
        settings = LdapSettings(
            config.directory_host.strip(),
            Protection(config.directory_protection),
            config.directory_port,
            config.directory_trust or http.trust_pem,
        )
        client = LdapClient(LdapWire(http.policy, timeout=http.timeout), settings, self._account())
        return read(client.session, bare_ca_name(config))

    def _account(self) -> Credentials:
        config = self._config
        way = Way.KERBEROS if config.authentication == Way.KERBEROS else Way.NTLM
        keytab = config.keytab if way is Way.KERBEROS else None
        if not config.username.strip() or (config.password is None and keytab is None):
            raise AuthFailed(
                "The directory is read by the connector's account, whose name or password is missing.",
                code="missing",
                stage="request",
                bytes_sent=False,
                remedy="Enter the account's name and password.",
            )
        return Credentials(way, config.username.strip(), config.password, keytab)


def _choice(one: Listed, typed: dict[str, str]) -> Choice:
    template = one.template
    obstacles, bad = " ".join(template.obstacles), dangers.of_template(one)
    label = typed.get(template.name, one.label)
    detail = {
        "usable": not obstacles,
        "why_not": obstacles,
        "oid": template.oid,
        "least_bits": template.minimal_key,
        "days": template.validity.days,
        "dangers": list(bad),
    }
    if obstacles:
        return Choice(template.name, f"{label} ({obstacles})", detail)
    waits = " (every request waits for a manager)" if template.pends else ""
    risks = f" (dangerous: {', '.join(bad)})" if bad else ""
    return Choice(template.name, f"{label}{waits}{risks}", detail)


def _standing(name: str, forest: Forest) -> Finding:
    one = forest.template(name)
    if one is None:
        published = ", ".join(listed.template.name for listed in forest.published[:12])
        if name.casefold() in {absent.casefold() for absent in forest.absent}:
            text = f"The CA publishes {name}, and the account does not see such a template."
            remedy = "Give the account Read and Enroll on the template."
        else:
            text = f"The CA does not publish a template {name}."
            remedy = "Use the template's short name (cn), not its display name, and publish it at the CA."
        return Finding("product", Level.FAILED, "unknown_template", text, published, remedy)
    template = one.template
    if template.obstacles:
        text = f"The template {template.name} cannot be used here: {' '.join(template.obstacles)}"
        remedy = (
            "Have it changed, or choose another: names supplied in the request, Enroll for this account, no agents."
        )
        return Finding("product", Level.FAILED, "unusable_template", text, template.oid, remedy)
    waits = "; every request waits for a manager" if template.pends else ""
    rights = "who may enrol, the account may not read" if one.hidden_rights else "the account may enrol"
    evidence = (
        f"{template.oid or 'version 1'}; {template.validity.days} days; key of {template.minimal_key} bits at least"
    )
    text = f"The CA publishes the template {template.name}: {rights}{waits}."
    return Finding("product", Level.OK, "ok", text, evidence)


def _all(forest: Forest) -> Finding:
    good = [one.template.name for one in forest.published if not one.template.obstacles]
    text = f"The CA publishes {len(forest.published)} templates, of which {len(good)} can be used."
    return Finding("product", Level.OK, "ok", text, ", ".join(good[:12]))
