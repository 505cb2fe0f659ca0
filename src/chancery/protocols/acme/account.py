"""The account: found by its key, made where there is none, moved to another key (RFC 8555 sections 7.3).

An external account binding often holds for one account only. So the key is stored before it is used (it is a setting
of the connector), and after a lost answer the account is looked for by its key before the binding is offered again.
"""

from __future__ import annotations

import binascii
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from acme import messages

from chancery.protocols.acme.client import AcmeClient, Directory, table
from chancery.protocols.acme.keys import AccountKey
from chancery.protocols.acme.problems import NO_ACCOUNT, UNAUTHORIZED
from chancery.protocols.acme.settings import AcmeSettings, Eab
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
)

_NO_ACCOUNT = {NO_ACCOUNT, "externalAccountRequired"}
OTHER_ACCOUNT = frozenset({NO_ACCOUNT, UNAUTHORIZED, "malformed", "badSignatureAlgorithm"})
"""What CAs answer to a key that is not that of the named account. Only the first one says no more than that."""
_BINDING = "Check key id and HMAC key of the external account binding; many CAs let one be used only once."
T = TypeVar("T")
_HASHES = ("HS256", "HS384", "HS512")


@dataclass(frozen=True)
class Standing:
    """What the CA says of an account: its address (the key id of every later request), status and contacts."""

    url: str
    status: str
    contacts: tuple[str, ...]


class Account:
    """The account of a connector; asked for once, then remembered while the connector's version lasts."""

    def __init__(self, client: AcmeClient, settings: AcmeSettings) -> None:
        self._client, self._settings = client, settings
        self._lock = threading.Lock()
        self._url = ""

    def url(self) -> str:
        """Return the account's address; the account is made where the CA has none for the key."""
        with self._lock:
            if not self._url:
                found = self.look() or self._moved()
                self._url = self._checked(found).url if found is not None else self._make().url
            return self._url

    def using(self, act: Callable[[str], T]) -> T:
        """Do something by the account's address; once more where that is not our account any more.

        A CA that was set up anew has forgotten its accounts, or given our number to somebody else's key: whether it did
        is asked by the key, since its refusal may as well be about what was to be done. A refusal says that nothing was
        done, so this repeats no act.
        """
        account = self.url()
        try:
            return act(account)
        except AuthorityError as error:
            if error.code not in OTHER_ACCOUNT:
                raise
            found = self.look() if error.code != NO_ACCOUNT else None
            if found is not None and found.url == account:
                raise
        with self._lock:
            if self._url == account:
                self._url = ""
        return act(self.url())

    def look(self) -> Standing | None:
        """Return the account as the CA has it, or None; changes nothing."""
        return self._look(self._client.key)

    def _look(self, key: AccountKey) -> Standing | None:
        address = self._client.directory().need("newAccount")
        try:
            answer = self._client.post(address, {"onlyReturnExisting": True}, kid=None, key=key)
        except AuthorityError as error:
            if error.code in _NO_ACCOUNT:
                return None
            if isinstance(error, Forbidden) and error.code == UNAUTHORIZED:
                raise _closed(error.text, error.code) from None
            raise
        return _standing(answer)

    @staticmethod
    def _checked(found: Standing) -> Standing:
        if found.status not in {"valid", ""}:
            raise _closed(f"The account is {found.status}.", found.status)
        return found

    def _make(self) -> Standing:
        directory = self._client.directory()
        payload = self._registration(directory)
        try:
            answer = self._client.post(directory.need("newAccount"), payload, kid=None, effect=True, ends=True)
            return self._checked(_standing(answer))
        except (OutcomeUnknown, ProtocolViolation) as error:
            # Without an account nothing is ordered, and the next try looks for it by its key first.
            raise harmless(error, "The account may have been made; the next try looks for it.") from None
        except RejectedByPolicy as error:
            raise _refused(error) from None
        except Forbidden as error:
            if error.code != UNAUTHORIZED:
                raise
            # Before there is an account, its binding alone can be what is not authorised.
            raise AuthFailed(
                error.message, code=error.code, text=error.text, stage=error.stage, remedy=_BINDING
            ) from None

    def _registration(self, directory: Directory) -> dict[str, Any]:
        settings, binding = self._settings, None
        if directory.terms and not settings.terms_agreed:
            raise Forbidden(
                "The CA has terms of service that nobody agreed to.",
                code="userActionRequired",
                text=directory.terms,
                bytes_sent=False,
                remedy=f"Read {directory.terms[:300]}, then tick in the connector's settings that you agree.",
            )
        if settings.eab is not None:
            binding = bind(settings.eab, self._client.key, directory)
        elif directory.eab_required:
            raise AuthFailed(
                "This CA wants an external account binding.",
                code="externalAccountRequired",
                bytes_sent=False,
                remedy="Enter the key id and the HMAC key that the CA's console shows.",
            )
        made = messages.NewRegistration.from_data(
            email=",".join(settings.contacts) or None,
            terms_of_service_agreed=settings.terms_agreed or None,
            external_account_binding=binding,
        )
        found: dict[str, Any] = json.loads(made.json_dumps())
        return found

    def _moved(self) -> Standing | None:
        """Move an account that is known by the former key to the new one (RFC 8555 section 7.3.5)."""
        if not self._settings.previous_key:
            return None
        former = AccountKey(self._settings.previous_key)
        found = self._look(former)
        if found is None:
            return None
        try:
            roll(self._client, found.url, former, self._client.key)
        except RejectedByPolicy as error:
            # It says nothing about the order that is to be placed.
            raise Forbidden(
                "The CA refused to give the account its new key.",
                code=error.code,
                text=error.text,
                stage=error.stage,
                remedy="Enter the former account key again, or clear both, so that a new account is made.",
            ) from None
        return found


def roll(client: AcmeClient, account: str, former: AccountKey, fresh: AccountKey) -> None:
    """Give an account another key. Raises `RejectedByPolicy` where an account has the new key already (409)."""
    url = client.directory().need("keyChange")
    inner = fresh.sign({"account": account, "oldKey": former.public_json}, url, nonce=None, kid=None)
    try:
        client.post(url, json.loads(inner), kid=account, effect=True, ends=True, key=former)
    except (OutcomeUnknown, ProtocolViolation) as error:
        raise harmless(error, "The key may have been changed; the next try looks by which it is known.") from None


def harmless(error: AuthorityError, why: str) -> AuthorityError:
    """Return the same error for a request whose loss orders nothing, so that the engine may do it again."""
    return type(error)(
        f"{error.message} {why}",
        code=error.code,
        text=error.text,
        stage=error.stage,
        bytes_sent=False,
        remedy=error.remedy,
    )


def bind(eab: Eab, key: AccountKey, directory: Directory) -> dict[str, Any]:
    """Return the external account binding; raises `AuthFailed` for a key that is no Base64."""
    text = re.sub(r"\s", "", eab.hmac_key.reveal()).replace("+", "-").replace("/", "_").rstrip("=")
    algorithm = eab.algorithm if eab.algorithm in _HASHES else "HS256"
    try:
        made = messages.ExternalAccountBinding.from_data(
            key.public, eab.key_id.strip(), text, messages.Directory(directory.urls), algorithm
        )
    except (ValueError, TypeError, binascii.Error):
        made = {}
    if not made or not text:
        raise AuthFailed(
            "The HMAC key of the external account binding is no Base64.",
            code="eab",
            bytes_sent=False,
            remedy="Copy the HMAC key from the CA's console once more.",
        )
    return dict(made)


def _standing(answer: Answer) -> Standing:
    found, url = table(answer), answer.headers.get("location", "")
    if not url:
        raise ProtocolViolation(
            "The CA's answer about the account has no address.", code="account", text=answer.text, stage="response",
            bytes_sent=False,
        )  # fmt: skip
    contacts = found.get("contact")
    return Standing(
        url, str(found.get("status") or ""), tuple(str(c) for c in contacts) if isinstance(contacts, list) else ()
    )


def _closed(text: str, code: str) -> AuthFailed:
    return AuthFailed(
        "The CA does not let this account in.",
        code=code,
        text=text,
        stage="response",
        remedy="Have the account opened at the CA, or clear the account key and save, so that a new account is made.",
    )


def _refused(error: RejectedByPolicy) -> Forbidden:
    return Forbidden(
        "The CA refused to make the account.",
        code=error.code,
        text=error.text,
        stage=error.stage,
        remedy="Check contact address, terms and external account binding in the connector's settings.",
    )
