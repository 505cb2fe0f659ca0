"""Who logs in, and by which way."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.core.secret import Secret


class Way(StrEnum):
    """How a login goes; none is put in another's place, since that would be a downgrade that nobody sees."""

    KERBEROS = "kerberos"
    NTLM = "ntlm"
    CERTIFICATE = "certificate"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Credentials:
    r"""An account. `username` is DOMAIN\user or user@domain, as people write it.

    `keytab` is the Base64 text of a keytab file, instead of the password. `spn` names the server to Kerberos where it is not
    HTTP/host. The client certificate is the door's own (`DoorOptions`), so nothing of it stands here. `binding` is
    turned off by a diagnosis alone, which finds out whether the server does without it.
    """

    way: Way
    username: str = ""
    password: Secret | None = None
    keytab: Secret | None = None
    spn: str = ""
    binding: bool = True

    @property
    def windows_name(self) -> str:
        """Return the account as NTLM names it: the domain apart from the user (MS-NLMP section 2.2.1.3)."""
        user, at, domain = self.username.partition("@")
        return f"{domain}\\{user}" if at and "\\" not in self.username else self.username

    @property
    def principal(self) -> str:
        """Return the account as Kerberos names it, user@REALM; '' where the name does not tell the realm."""
        domain, backslash, user = self.username.partition("\\")
        if not backslash:
            user, _, domain = self.username.partition("@")
        # A flat domain name is no realm: what the realm is called then, only the domain knows.
        return f"{user}@{domain.upper()}" if user and "." in domain else ""
