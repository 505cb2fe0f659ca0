"""A login over HTTP, and the requests behind it.

NTLM logs in the TCP connection (MS-NLMP section 1.5): handshake and requests share one. Kerberos proves each request by a
token of its own (RFC 4559 section 4); it is sent over the same connection, whose certificate the tokens are bound to.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chancery.protocols.negotiate.failures import not_offered, refused
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.sdk.http import Answer, Connection, HttpDoor

if TYPE_CHECKING:
    from chancery.protocols.negotiate.tokens import Tokens

_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9._-]*)(?:\s+([A-Za-z0-9+/._~-]+=*)(?=\s*(?:,|$)))?")
_LEGS = 4


@dataclass(frozen=True)
class Seen:
    """How a login went: `offered` schemes, the one used, whether it was bound to TLS, whether none was asked for."""

    offered: tuple[str, ...] = ()
    scheme: str = ""
    bound: bool = False
    anonymous: bool = False


class Session:
    """Requests behind one login. `first` is the server's answer to the page that the login was made at."""

    def __init__(
        self, http: HttpDoor, credentials: Credentials, *, first: Answer, seen: Seen, over: Connection | None = None
    ) -> None:
        self._http, self._credentials, self._over = http, credentials, over
        self.first, self.seen = first, seen
        self._tokens: Tokens | None = None

    def get(self, path: str, **more: Any) -> Answer:
        """Send a GET; see `request`."""
        return self.request("GET", path, **more)

    def request(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """Send one request of `HttpDoor.request` behind the login; raises `AuthFailed` where it is refused with 401."""
        own = {**(headers or {}), **self._authorization()}
        if self._over is not None:
            more["over"] = self._over
        answer = self._http.request(method, path, headers=own, **more)
        if answer.status == 401:
            raise refused(answer, self._credentials, bound=self.seen.bound, offered=offers(answer))
        return answer

    def proves_each(self, tokens: Tokens) -> None:
        """Send a token with every request from now on."""
        self._tokens = tokens

    def _authorization(self) -> dict[str, str]:
        if self._tokens is not None:
            return {"Authorization": _header("Negotiate", self._tokens.again())}
        return basic(self._credentials) if self._credentials.way is Way.BASIC else {}


class Login:
    """Logs in at a page that takes no harm from being read: `page`, below the base URL. `headers` go with every leg."""

    def __init__(
        self, http: HttpDoor, credentials: Credentials, page: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._http, self._credentials, self._page, self._headers = http, credentials, page, dict(headers or {})

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Log in, and give the session; its connection is closed at the end of the block.

        Raises `AuthFailed` where the login is refused, `Unreachable` where nobody answers or the server does not keep the
        connection; nothing was ordered then.
        """
        if self._credentials.way in {Way.BASIC, Way.CERTIFICATE}:
            yield self._plain()
            return
        with self._http.connection() as over:
            yield self._over(over)

    def _plain(self) -> Session:
        answer = self._http.get(self._page, headers={**self._headers, **basic(self._credentials)})
        offered = offers(answer)
        if answer.status == 401:
            raise refused(answer, self._credentials, bound=False, offered=offered)
        scheme = "Basic" if self._credentials.way is Way.BASIC else "TLS"
        return Session(self._http, self._credentials, first=answer, seen=Seen(offered, scheme))

    def _over(self, over: Connection) -> Session:
        from chancery.protocols.negotiate.tokens import Tokens  # its library takes its time

        # The first leg shows what is offered and, before any token is made, the certificate of this very connection.
        answer = self._leg(over)
        offered = offers(answer)
        if answer.status != 401:
            return Session(self._http, self._credentials, first=answer, seen=Seen(offered, anonymous=True), over=over)
        scheme = self._scheme(offered)
        tokens = Tokens(self._credentials, host_of(self._http), scheme, over.certificate)
        answer = self._handshake(over, tokens, scheme)
        session = Session(
            self._http, self._credentials, first=answer, seen=Seen(offered, scheme, tokens.bound), over=over
        )
        if self._credentials.way is Way.KERBEROS:
            session.proves_each(tokens)
        return session

    def _scheme(self, offered: tuple[str, ...]) -> str:
        wanted = ("NTLM", "Negotiate") if self._credentials.way is Way.NTLM else ("Negotiate",)
        known = {name.lower() for name in offered}
        found = next((name for name in wanted if name.lower() in known), "")
        if not found:
            raise not_offered(" or ".join(wanted), offered, self._credentials.way)
        return found

    def _handshake(self, over: Connection, tokens: Tokens, scheme: str) -> Answer:
        token = tokens.step()
        for _ in range(_LEGS):
            answer = self._leg(over, _header(scheme, token))
            given = token_in(answer, scheme)
            if answer.status != 401:
                if given and not tokens.complete:
                    tokens.step(given)  # the server's proof that it is who it says
                return answer
            token = tokens.step(given) if given and not tokens.complete else None
            if token is None:
                break
        raise refused(answer, self._credentials, bound=tokens.bound, offered=offers(answer))

    def _leg(self, over: Connection, authorization: str = "") -> Answer:
        own = {"Authorization": authorization} if authorization else {}
        return self._http.get(self._page, headers={**self._headers, **own}, over=over)


def basic(credentials: Credentials) -> dict[str, str]:
    """Return the header of Basic (RFC 7617); the door speaks nothing but TLS beyond this machine."""
    if credentials.way is not Way.BASIC:
        return {}
    pair = f"{credentials.username}:{credentials.password.reveal() if credentials.password else ''}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def offers(answer: Answer) -> tuple[str, ...]:
    """Return the schemes of WWW-Authenticate (RFC 9110 section 11.6.1), each once."""
    found = [match[1] for match in _CHALLENGE.finditer(answer.headers.get("www-authenticate", ""))]
    return tuple(dict.fromkeys(found))


def token_in(answer: Answer, scheme: str) -> bytes:
    """Return the token that a server sent with a scheme; b'' without one, or where it is no Base64."""
    for match in _CHALLENGE.finditer(answer.headers.get("www-authenticate", "")):
        if match[1].lower() == scheme.lower() and match[2]:
            try:
                return base64.b64decode(match[2], validate=True)
            except ValueError:
                return b""
    return b""


def host_of(http: HttpDoor) -> str:
    """Return the host that a door leads to."""
    return urlsplit(http.base_url).hostname or ""


def _header(scheme: str, token: bytes | None) -> str:
    return f"{scheme} {base64.b64encode(token or b'').decode()}"
