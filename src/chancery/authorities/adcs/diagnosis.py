"""*Test connection* over Web Enrollment: login and its binding, CA, templates, CA certificates, CRL. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from chancery.authorities.adcs.client import CertsrvClient
from chancery.authorities.adcs.config import ENTERPRISE, STANDALONE, AdcsConfig, bare_ca_name, typed_templates
from chancery.authorities.adcs.login import credentials_of
from chancery.authorities.adcs.pages import ca_name_in, options_in, renewals_in
from chancery.core.decoding import UNREADABLE
from chancery.protocols.bundle import climb
from chancery.protocols.negotiate import Session, Way
from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden, Throttled, Unreachable
from chancery.sdk.finding import STAGES, Finding, Level, failed

_LOOK = "Look at the web server's and the CA's event logs."
_YEAR = timedelta(days=365)
_UNSEEN = (
    "Rights on templates and CA, the switch EDITF_ATTRIBUTESUBJECTALTNAME2 (ESC6), approvals by agents and the SID extension "
    "cannot be seen over Web Enrollment. Chancery sends no names outside the certificate request, and warns about each "
    "certificate whose template allows more than server authentication."
)


class Diagnosis:
    """One connector's. Whether logins without binding are let in is tried once: each try is a failed login in their logs."""

    def __init__(self, client: CertsrvClient, config: AdcsConfig) -> None:
        self._client, self._config = client, config
        self._relay: list[Finding] | None = None

    def findings(self, now: datetime) -> list[Finding]:
        """Return every finding from the stage login on, in the order of the stages."""
        client, config = self._client, self._config
        try:
            with client.session() as session:
                seen = session.seen
                found = [*_login(session, config)]
                found += _attempt("rights", lambda: _templates(client, session, config), Level.WARNING)
                found += _attempt("product", lambda: _ca_name(client, session, config))
                found += _attempt("chain", lambda: _certificates(client, session, now))
                found += _attempt("chain", lambda: _crl(client, session, now), Level.WARNING)
        except (Unreachable, Throttled):
            raise  # says nothing about the login, and the engine knows both
        except AuthorityError as error:
            return [failed("rights" if isinstance(error, Forbidden) else "login", error, _LOOK)]
        if seen.bound and self._relay is None:
            self._relay = _attempt("login", lambda: _relay(client, config), Level.WARNING)
        return sorted([*found, *(self._relay or [])], key=lambda one: STAGES.index(one.stage))


def _attempt(stage: str, look: Callable[[], Iterator[Finding]], level: Level = Level.FAILED) -> list[Finding]:
    """Return what a look finds. One that cannot be had fails only where orders need it: a failure holds them back."""
    try:
        return list(look())
    except AuthorityError as error:
        return [replace(failed(stage, error, _LOOK), level=level)]


def _good(stage: str, code: str, message: str, evidence: str = "") -> Finding:
    return Finding(stage, Level.OK, code, message, evidence)


def _warning(stage: str, code: str, message: str, evidence: str, remedy: str) -> Finding:
    return Finding(stage, Level.WARNING, code, message, evidence, remedy)


# Login ------------------------------------------------------------------------------------------------


def _login(session: Session, config: AdcsConfig) -> Iterator[Finding]:
    seen, way = session.seen, config.authentication
    evidence = f"offered: {', '.join(seen.offered) or 'nothing'}; used: {seen.scheme or 'none'}"
    if seen.anonymous:
        text = "Web Enrollment lets anybody in, without any login."
        remedy = "Switch Anonymous Authentication off for certsrv in IIS, and Windows Authentication on."
        yield _warning("login", "anonymous", text, evidence, remedy)
        return
    yield _good(
        "login", "known", f"The account {config.username or 'of the certificate'} is let in, by {way}.", evidence
    )
    if seen.bound:
        yield _good("login", "bound", "The login is bound to the TLS connection (channel binding).")
    elif way in {Way.KERBEROS, Way.NTLM}:
        text = "The connection has no TLS that the login could be bound to."
        yield _warning("login", "unbound", text, "", "Use https in the base URL.")
    if way == Way.NTLM:
        text = "The login goes by NTLM, which Microsoft is removing from Windows and which can be relayed."
        yield _warning("login", "ntlm", text, "", "Let the connector log in by Kerberos.")
    if way == Way.BASIC:
        text = "The login goes by Basic: the web server gets the account's password."
        yield _warning("login", "basic", text, "", "Let the connector log in by Kerberos or by client certificate.")


def _relay(client: CertsrvClient, config: AdcsConfig) -> Iterator[Finding]:
    """Log in once more without binding: a server that takes that can be relayed to (ESC8)."""
    try:
        with client.session(replace(credentials_of(config), binding=False)):
            pass
    except AuthFailed:
        yield _good("login", "protected", "A login without channel binding is refused (Extended Protection).")
        return
    text = "The web server takes logins without channel binding: they can be relayed to it (ESC8)."
    remedy = (
        "Set Extended Protection to Required for certsrv in IIS, require TLS, and switch NTLM off there (KB5005413)."
    )
    yield _warning("login", "relay", text, "a login without channel binding was let in", remedy)


# Rights and product -----------------------------------------------------------------------------------


def _templates(client: CertsrvClient, session: Session, config: AdcsConfig) -> Iterator[Finding]:
    if config.setup_type == STANDALONE:
        yield _good("rights", "standalone", "A Standalone CA has no templates; its managers approve requests.")
        return
    options = options_in(client.page(session, "certrqxt.asp"))
    offered = {word for words in options or [] for word in words}
    typed = list(typed_templates(config))
    missing = [name for name in typed if name not in offered]
    if not typed:
        remedy = "Enter the templates' names in the connector, one a line."
        yield _warning(
            "rights", "no_templates", "No templates are entered, so profiles have none to choose.", "", remedy
        )
    elif options is None or missing:
        text = "The request form does not offer every template to the account."
        remedy = "Publish it on the CA and give the account Read and Enroll; some are taken by name all the same."
        yield _warning("rights", "not_offered", text, ", ".join(missing or typed), remedy)
    else:
        yield _good("rights", "offered", "The request form offers every template to the account.", ", ".join(typed))
    yield Finding("rights", Level.SKIPPED, "unseen", _UNSEEN)


def _ca_name(client: CertsrvClient, session: Session, config: AdcsConfig) -> Iterator[Finding]:
    shown = ca_name_in(session.first.body) or ca_name_in(client.page(session, ""))
    wanted = bare_ca_name(config)
    if shown == wanted:
        yield _good("product", "ca_name", "The CA behind this web server is the one that is named here.", shown)
    elif not shown:
        remedy = "Compare the CA's name in its own console."
        yield _warning("product", "ca_unseen", "The pages do not show the CA's name.", "", remedy)
    else:
        remedy = f"Enter {shown}, or correct the base URL."
        text = f"Another CA answers than {wanted[:100]!r}."
        yield Finding("product", Level.FAILED, "other_ca", text, shown, remedy)
    setup = "Enterprise" if config.setup_type == ENTERPRISE else "Standalone"
    text = f"Whether the CA is {setup} is not told over Web Enrollment."
    yield Finding("product", Level.SKIPPED, "setup_type", text)


# Chain ------------------------------------------------------------------------------------------------


def _certificates(client: CertsrvClient, session: Session, now: datetime) -> Iterator[Finding]:
    newest = renewals_in(session.first.body) or 0
    own = client.ca_certificate(session, newest)
    certificate = _load(own)
    if certificate is None:
        remedy = "Look at certnew.cer?ReqID=CACert on the web server."
        yield Finding("chain", Level.FAILED, "no_ca", "The CA's certificate cannot be read.", "", remedy)
        return
    end, name = certificate.not_valid_after_utc, _common_name(certificate)
    evidence = f"{name}, until {end:%Y-%m-%d}; {newest + 1} in all"
    if end <= now:
        yield Finding("chain", Level.FAILED, "ca_ended", "The CA's certificate has ended.", evidence, "Renew the CA.")
    elif end - now < _YEAR:
        text = "The CA's certificate ends within a year: no certificate outlives it, so new ones are cut short."
        yield _warning("chain", "ca_ends", text, evidence, "Renew the CA.")
    else:
        yield _good("chain", "ca", "The CA's certificate is valid.", evidence)
    if isinstance(certificate.signature_hash_algorithm, hashes.SHA1 | hashes.MD5):
        text = "The CA's certificate is signed with SHA-1 or older."
        yield _warning("chain", "weak_hash", text, name, "Renew the CA with SHA-256.")
    _, whole = climb(own, client.chain(session, "CACert", newest))
    if whole:
        yield _good("chain", "chain", "The web server gives the whole chain up to the root.")
    else:
        text = "The web server does not give the whole chain up to the root."
        yield _warning("chain", "broken", text, "", "Install the certificates above the CA on its host.")


def _crl(client: CertsrvClient, session: Session, now: datetime) -> Iterator[Finding]:
    raw = client.crl(session, renewals_in(session.first.body) or 0)
    try:
        crl = x509.load_der_x509_crl(raw)
        due = crl.next_update_utc
    except UNREADABLE:
        text = "The CA's CRL cannot be read from the web server."
        yield _warning(
            "chain", "crl_unseen", text, "", "Publish it, and see that the web server shows it (certcrl.crl)."
        )
        return
    evidence = f"next due {due:%Y-%m-%d %H:%M} UTC" if due else "without an end"
    if due is not None and due <= now:
        text = "The CA's CRL is out of date: whoever checks it refuses every certificate of this CA."
        yield _warning("chain", "crl_stale", text, evidence, "Have the CA publish a new one (certutil -crl).")
    else:
        yield _good("chain", "crl", "The CA's CRL is current.", evidence)


def _load(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE:
        return None


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)[:200] if found else certificate.subject.rfc4514_string()[:200]
