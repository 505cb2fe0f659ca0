"""Web Enrollment (certsrv) on the wire: each act is a login and one or a few requests over one connection (A1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from chancery.authorities.adcs import pages
from chancery.authorities.adcs.config import AdcsConfig
from chancery.authorities.adcs.issued import certificates
from chancery.authorities.adcs.login import credentials_of
from chancery.authorities.adcs.pages import Verdict
from chancery.protocols.negotiate import Credentials, Login, Session
from chancery.sdk.errors import (
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    Throttled,
    Unreachable,
)
from chancery.sdk.http import Answer, HttpDoor

_DEFAULT = "certsrv"
_LARGEST = 256 * 1024
_HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; Chancery)"}
"""Other agents were seen to get certificates under an unexpected content type (A1.1)."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_ADDRESS = "Check the base URL and the path: Web Enrollment is at /certsrv on its web server."
FIRST_PAGE = "certcarc.asp"
"""Asked for first: it wants the login, which /certsrv/ itself was seen not to, and tells the newest CA certificate."""


class CertsrvClient:
    """One connector. `session` logs in; the other methods take what it gives."""

    def __init__(self, http: HttpDoor, config: AdcsConfig) -> None:
        self._http, self._config = http, config
        self._prefix = prefix_of(http.base_url, config.path)

    @contextmanager
    def session(self, credentials: Credentials | None = None) -> Iterator[Session]:
        """Log in at certcarc.asp, and see that it is that page."""
        login = Login(self._http, credentials or credentials_of(self._config), self._path(FIRST_PAGE), headers=_HEADERS)
        with login.session() as session:
            checked(session.first, effect=False)
            if pages.renewals_in(session.first.body) is None:
                raise unlike(session.first, effect=False)
            yield session

    def submit(self, session: Session, csr_pem: str, attributes: list[tuple[str, str]]) -> Verdict:
        """POST certfnsh.asp, once (A1.1). The attributes are lines of Name:Value."""
        lines = "".join(f"{name}:{value}\r\n" for name, value in attributes)
        form = {
            "Mode": "newreq",
            "CertRequest": csr_pem.replace("\n", "\r\n"),
            "CertAttrib": lines,
            "FriendlyType": "Saved-Request Certificate",
            "ThumbPrint": "",
            "TargetStoreFlags": "0",
            "SaveCert": "yes",
        }
        answer = session.request(
            "POST",
            self._path("certfnsh.asp"),
            headers={**_HEADERS, **_FORM},
            content=urlencode(form).encode(),
            effect=True,
            max_bytes=_LARGEST,
        )
        checked(answer, effect=True)
        verdict = pages.read(answer.body)
        if verdict.kind is pages.Kind.NONE:
            raise unlike(answer, effect=True)
        return verdict

    def certificate(self, session: Session, request: int) -> bytes | Verdict:
        """GET certnew.cer: the certificate (DER), or what the page says instead. The body decides, not its label (A1.4)."""
        answer = self._get(session, "certnew.cer", {"ReqID": request, "Enc": "b64"})
        found = certificates(answer.body)
        if found:
            return found[0]
        verdict = pages.read(answer.body)
        if verdict.kind is pages.Kind.NONE:
            raise unlike(answer, effect=False)
        return verdict

    def ca_certificate(self, session: Session, renewal: int) -> bytes:
        """GET certnew.cer for the CA's certificate of this index; b'' where there is none."""
        params = {"ReqID": "CACert", "Renewal": renewal, "Enc": "b64"}
        return next(iter(certificates(self._get(session, "certnew.cer", params).body)), b"")

    def chain(self, session: Session, request: int | str, renewal: int | None = None) -> list[bytes]:
        """GET certnew.p7b for a request, or for `CACert` and the index of one of the CA's certificates (A1.5)."""
        more = {} if renewal is None else {"Renewal": renewal}
        return certificates(self._get(session, "certnew.p7b", {"ReqID": request, **more, "Enc": "bin"}).body)

    def crl(self, session: Session, renewal: int) -> bytes:
        """GET certcrl.crl, the base CRL."""
        return self._get(session, "certcrl.crl", {"Type": "base", "Renewal": renewal, "Enc": "bin"}).body

    def page(self, session: Session, name: str) -> bytes:
        """GET a page, for what it shows."""
        return self._get(session, name, None).body

    def _get(self, session: Session, name: str, params: dict[str, Any] | None) -> Answer:
        answer = session.get(self._path(name), params=params, headers=_HEADERS, max_bytes=_LARGEST)
        checked(answer, effect=False)
        return answer

    def _path(self, name: str) -> str:
        return f"{self._prefix}{name}"


def prefix_of(base_url: str, path: str) -> str:
    """Return what stands before a page's name, below the base URL."""
    own = path.strip().strip("/")
    if not own and urlsplit(base_url).path.rstrip("/").rpartition("/")[2].lower() == _DEFAULT:
        return ""
    return f"{own or _DEFAULT}/"


def checked(answer: Answer, *, effect: bool) -> None:
    """Let an answer with 200 pass; raise what any other status means. All of them come before the page is read."""
    if answer.status != 200:
        raise _by_status(answer, effect=effect)


def _by_status(answer: Answer, *, effect: bool) -> AuthorityError:
    status = answer.status
    more: dict[str, Any] = {"code": str(status), "text": answer.text, "stage": "response"}
    if status == 403:
        remedy = "Let the account use the site in IIS, and have it ask for TLS (a page without it is refused with 403)."
        return Forbidden("The web server does not let the account use Web Enrollment.", remedy=remedy, **more)
    if status == 429:
        text = "The server asks for patience."
        return Throttled(text, until=answer.retry_after, bytes_sent=False, **more)
    if status in {404, 413}:
        text = "has no Web Enrollment at this address" if status == 404 else "finds the request too large"
        remedy = _ADDRESS if status == 404 else "Raise the limit of IIS's request filtering, or order fewer names."
        return Unreachable(f"The web server {text} ({status}).", remedy=remedy, bytes_sent=False, **more)
    if 300 <= status < 400:
        text = "The server redirects, perhaps to a login portal; that is not followed."
        return ProtocolViolation(text, remedy=_ADDRESS, bytes_sent=effect, **more)
    if effect:
        text = f"The web server answered {status}, which does not say whether the CA has the request."
        return OutcomeUnknown(text, **more)
    remedy = "Look at the web server's and the CA's event logs."
    return Unreachable(f"The web server answered {status}.", remedy=remedy, bytes_sent=False, **more)


def unlike(answer: Answer, *, effect: bool) -> ProtocolViolation:
    """Return the error for a page that Web Enrollment does not have."""
    return ProtocolViolation(
        "The answer is no page of Web Enrollment.",
        code=str(answer.status),
        text=answer.text,
        stage="response",
        bytes_sent=effect,
        remedy=_ADDRESS,
    )
