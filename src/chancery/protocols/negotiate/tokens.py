"""The tokens of a login, made by pyspnego: one context for each login, bound to one connection."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import spnego
from spnego._negotiate import NegotiateProxy
from spnego.channel_bindings import GssChannelBindings

from chancery.protocols.negotiate.binding import end_point
from chancery.protocols.negotiate.failures import bad_keytab, no_kerberos, no_realm, of_library
from chancery.protocols.negotiate.settings import Credentials, Way

# At DEBUG the library writes whole tokens, and from an NTLM answer a password can be guessed at leisure.
logging.getLogger("spnego").setLevel(logging.WARNING)


_ONE_WAY = spnego.ContextReq.default & ~spnego.ContextReq.mutual_auth
_SPNEGO, _KRB5 = bytes.fromhex("06062b0601050502"), bytes.fromhex("06092a864886f712010202")


class _Only(spnego.Password):
    """A password for one mechanism: the library would else ask Kerberos, and so the network, on the way to NTLM."""

    mechanism = "ntlm"

    @property
    def supported_protocols(self) -> list[str]:
        """Return the one mechanism."""
        return [self.mechanism]


class _OnlyKerberos(_Only):
    mechanism = "kerberos"


class _NtlmInside(NegotiateProxy):
    """Negotiate that offers one mechanism: left alone it asks every one that is installed, Kerberos' servers among them."""

    inside = "ntlm"

    @classmethod
    def available_protocols(cls, options: Any = None) -> list[str]:
        """Return the mechanism, and Negotiate around it."""
        del options
        return [cls.inside, "negotiate"]


class _KerberosInside(_NtlmInside):
    inside = "kerberos"


def negotiating(account: Any, way: Way, **more: Any) -> Any:
    """Return a context of Negotiate (RFC 4178) that offers Kerberos alone, or NTLM alone."""
    proxy = _KerberosInside if way is Way.KERBEROS else _NtlmInside
    return proxy(
        username=account, password=None, usage="initiate", protocol="negotiate",
        options=spnego.NegotiateOptions.use_negotiate, **more,
    )  # fmt: skip


class Tokens:
    """The initiator's side of one login. `step` returns the next token; raises an `AuthorityError` saying what is wrong."""

    def __init__(self, credentials: Credentials, host: str, scheme: str, certificate: bytes | None) -> None:
        self._credentials, self._host, self._scheme = credentials, host, scheme
        data = end_point(certificate) if certificate and credentials.binding else None
        self.bound = data is not None
        self._bindings = GssChannelBindings(application_data=data) if data else None
        self._context: Any = None

    def step(self, given: bytes | None = None) -> bytes | None:
        """Return the next token for what the server sent; None where there is nothing more to say."""
        try:
            if self._context is not None:
                return self._step(given)
            with self.account() as account:
                self._context = self._new(account)
                return self._step(given)
        except Exception as error:  # the library lets errors of several libraries through
            raise of_library(error, self._credentials, self._host) from None

    def again(self) -> bytes | None:
        """Return the first token of another login with the same ticket: Kerberos proves each request for itself."""
        try:
            self._context = self._context.new_context()
            return self._step(None)
        except Exception as error:  # as above
            raise of_library(error, self._credentials, self._host) from None

    @property
    def complete(self) -> bool:
        """Say whether the login is over, as seen from here."""
        return bool(self._context is not None and self._context.complete)

    def _step(self, given: bytes | None) -> bytes | None:
        token: bytes | None = self._context.step(given, channel_bindings=self._bindings)
        return offer(token) if token and self._credentials.way is Way.KERBEROS else token

    def _new(self, account: Any) -> Any:
        service, _, host = (self._credentials.spn or f"HTTP/{self._host}").partition("/")
        more: dict[str, Any] = {"hostname": host or self._host, "service": service, "channel_bindings": self._bindings}
        if self._credentials.way is Way.KERBEROS:
            # Not as the library's Negotiate, which hides the domain's reasons behind its own. Who the server is has TLS
            # told, so that one token is the whole login.
            return spnego.client(account, protocol="kerberos", context_req=_ONE_WAY, **more)
        # Named, because the library else prefers what happens to be installed on this machine.
        if self._scheme == "NTLM":
            return spnego.client(account, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm, **more)
        return negotiating(account, self._credentials.way, context_req=spnego.ContextReq.default, **more)

    @contextmanager
    def account(self) -> Iterator[Any]:
        """Give the account in the library's form; a keytab lies in a file of ours for as long as it is read."""
        given = self._credentials
        if given.way is Way.NTLM:
            # As an object: a password that looks like a hash must not be taken for one.
            yield _Only(given.windows_name, given.password.reveal() if given.password else "")
            return
        if not has_kerberos():
            raise no_kerberos()
        if not given.principal:
            raise no_realm(given.username)
        if given.keytab is None:
            yield _OnlyKerberos(given.principal, given.password.reveal() if given.password else "")
            return
        with TemporaryDirectory(prefix="chancery-") as folder:
            yield spnego.KerberosKeytab(f"FILE:{_keytab(Path(folder), given)}", given.principal)


def offer(token: bytes) -> bytes:
    """Return a Kerberos token as the opening of Negotiate, which offers nothing else (NegTokenInit, RFC 4178 section 4.2.1)."""
    inner = _der(0x30, _der(0xA0, _der(0x30, _KRB5)) + _der(0xA2, _der(0x04, token)))
    return _der(0x60, _SPNEGO + _der(0xA0, inner))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, length] if length < 0x80 else [tag, 0x80 | len(size), *size]) + content


def _keytab(folder: Path, given: Credentials) -> Path:
    path = folder / "keytab"
    try:
        raw = base64.b64decode("".join(given.keytab.reveal().split()) if given.keytab else "", validate=True)
    except ValueError:
        raise bad_keytab() from None
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(raw)
    return path


def has_kerberos() -> bool:
    """Say whether the Kerberos libraries are installed; without them everything else works."""
    from spnego._gss import HAS_GSSAPI

    return bool(HAS_GSSAPI)
