"""emCA by REST: what its public documents say is enough for a login, and not for an order. So nothing is guessed.

4.0.17 encrypts each request with AES-256 and the documents name neither mode nor IV nor padding; its header emKey comes
from a program of the vendor's. From 4.2 on the login is known (`auth/token`), and the bodies and replies of the calls that
issue stand on pages that could not be read (reference, sections 4.2 and 4.3).
"""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any
from urllib.parse import quote

from chancery.authorities.emca import naming
from chancery.authorities.emca.config import EmcaConfig
from chancery.authorities.emca.transport import PATHS, Transport
from chancery.core.secret import Secret
from chancery.sdk.authority import Context, Request
from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden, ProtocolViolation, Throttled, Unreachable
from chancery.sdk.finding import Finding, Level, failed
from chancery.sdk.http import Answer
from chancery.sdk.outcome import Outcome, PollState

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_MINUTES = 5
_DEPTH = 6
_OTHER = "Choose CMP, EST, ACME or SCEP as the connector's protocol: emCA speaks all four."
_UNKNOWN = {
    "4.0.17": "mode, IV and padding of the AES-256 encryption of requestData, and how the header emKey is computed",
    "4.2.3": "the bodies and replies of createCertificates, getCertificate and revoke",
    "4.2.4": "the bodies and replies of createCertificates, getCertificate and revoke",
}


class OverRest(Transport):
    """The login of 4.2 and later, and a list of CAs; orders are refused with what is not known."""

    name = "REST"

    def __init__(self, config: EmcaConfig, context: Context) -> None:
        self._config, self._http, self._clock = config, context.http, context.clock

    def check(self) -> list[Finding]:
        """Log in and look for the issuing CA, where the documents say how; then say that nothing can be ordered."""
        unknown = self._unknown()
        last = Finding("product", Level.FAILED, "undocumented", unknown.message, self._config.version, unknown.remedy)
        if self._config.version == "4.0.17":
            text = "How emCA 4.0.17 is logged in to is not public, so it was not tried."
            return [Finding("login", Level.SKIPPED, "undocumented", text), last]
        try:
            token = self._login()
        except AuthorityError as error:
            stage = "rights" if isinstance(error, Forbidden) else "login"
            return [failed(stage, error), last]
        login = Finding(
            "login", Level.OK, "token", "emCA gave a token for this user and client.", self._config.username
        )
        return [login, self._issuing_ca(token), naming.subscriber(self._config.subscriber_id, "REST's login"), last]

    def _login(self) -> Secret:
        """POST auth/token (reference, section 4.3)."""
        config = self._config
        body = {
            "username": config.username,
            "password": config.password.reveal(),
            "clientId": config.client_id,
            "validityInMins": _MINUTES,
        }
        answer = self._http.post("auth/token", json=body, headers={"X-Nonce": self._nonce()})
        # The documents do not name the field; a JWT is known by its look.
        found = _TOKEN.search(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None
        if found is None:
            raise _refused(answer)
        token = Secret(found[0])
        self._http.learn(token)
        return token

    def _nonce(self) -> str:
        """Return a value of the form that the administrator chose: the documents do not say which is right."""
        made = {"hex": secrets.token_hex(16), "millis": str(int(self._clock.now().timestamp() * 1000))}
        return made.get(self._config.rest_nonce) or str(uuid.uuid4())

    def _issuing_ca(self, token: Secret) -> Finding:
        """GET getCAs/{clientId}: whatever its reply looks like, a name in it is a text of its own."""
        path = f"{self._config.path.strip('/ ') or PATHS['rest']}/getCAs/{quote(self._config.client_id, safe='')}"
        headers = {"X-Nonce": self._nonce(), "Authorization": f"Bearer {token.reveal()}"}
        try:
            answer = self._http.get(path, headers=headers)
            if answer.status != 200:
                raise _refused(answer)
            return naming.named(self._config.issuing_ca, _texts(answer.json()))
        except AuthorityError as error:
            return failed("product", error, "Check the path of the REST services and the client ID.")

    def submit(self, request: Request) -> Outcome:
        """Refuse, before anything is sent; the order waits until the connector speaks another protocol."""
        raise self._unknown()

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Refuse: nothing was ever ordered over REST."""
        raise self._unknown()

    def _unknown(self) -> Forbidden:
        version = self._config.version
        return Forbidden(
            f"Chancery cannot order over the REST interface of emCA {version}: not public are {_UNKNOWN[version]}.",
            code="undocumented",
            stage="request",
            bytes_sent=False,
            remedy=_OTHER,
        )


def _refused(answer: Answer) -> AuthorityError:
    status = answer.status
    more: dict[str, Any] = {"code": str(status), "text": answer.text, "stage": "response"}
    if status == 401:
        return AuthFailed("emCA refused the login.", remedy="Check username, password and client ID.", **more)
    if status == 403:
        remedy = "Have this host's address entered for the external application in emCA, and the application signed."
        return Forbidden("emCA does not let us in from here.", remedy=remedy, **more)
    if status == 429:
        return Throttled("emCA asks for patience.", until=answer.retry_after, **more)
    if status >= 500:
        return Unreachable(f"emCA answered {status}.", remedy="Ask the administrators of emCA.", **more)
    remedy = "Check the base URL: the login is at auth/token below it."
    return ProtocolViolation(
        f"emCA answered {status} without a token or list.", remedy=remedy, bytes_sent=False, **more
    )


def _texts(document: Any, depth: int = 0) -> list[str]:
    """Return the texts in a JSON document, to some depth."""
    if isinstance(document, str):
        return [document]
    if depth > _DEPTH or not isinstance(document, dict | list):
        return []
    inner = document.values() if isinstance(document, dict) else document
    return [text for one in inner for text in _texts(one, depth + 1)]
