"""What an administrator fills in for an AD CS, and what a profile chooses there."""

from __future__ import annotations

import re
from typing import Any

from pydantic import model_validator

from chancery.core.secret import Secret
from chancery.sdk.config import Config, NonEmpty, ProfileSettings, setting

ENTERPRISE, STANDALONE = "enterprise", "standalone"
CERTSRV, CES, RPC = "certsrv", "ces", "rpc"
OWN, LDAP = "transport", "ldap"
IN_MESSAGE = "usernametoken"

_SETUPS = {
    ENTERPRISE: "Enterprise: joined to a domain, issues by templates",
    STANDALONE: "Standalone: no templates, a CA manager approves",
}
_TRANSPORTS = {
    CERTSRV: "Web Enrollment (certsrv)",
    CES: "CEP and CES: enrolment web services, with templates and the account's rights",
    RPC: "RPC: the CA itself, ports 135 and above",
}
_INTERFACES = {"icpr": "MS-ICPR, one call", "dcom": "DCOM, where the first one is switched off (IF_NORPCICERTREQUEST)"}
_BY_TRANSPORT = {
    CERTSRV: frozenset({"kerberos", "ntlm", "certificate", "basic"}),
    CES: frozenset({"kerberos", "ntlm", "certificate", IN_MESSAGE}),
    RPC: frozenset({"kerberos", "ntlm"}),
}
"""Transport → logins that it has."""
_LOGINS = {
    "kerberos": "Kerberos, by password or keytab",
    "ntlm": "NTLM (Microsoft is removing it)",
    "certificate": "Client certificate, mapped to an account",
    "basic": "Basic, over TLS",
    IN_MESSAGE: "User name and password in the message (CES alone)",
}


_SOURCES = {
    OWN: "By the transport: CEP, the CA's own list, or the request form",
    LDAP: "Active Directory (LDAP): with rights, and the weaknesses of templates",
}
_PROTECTIONS = {
    "ldaps": "LDAPS: TLS from the start, port 636",
    "starttls": "StartTLS, port 389",
    "sealed": "Sealed by the login, without TLS, port 389",
}
_IN_DIRECTORY = {"template_source": (LDAP,)}
_KERBEROS = {"authentication": ("kerberos",)}
_MAPPED = {"authentication": ("certificate",)}
_NAMED = {"authentication": tuple(login for login in _LOGINS if login != "certificate")}


def _choice(choices: dict[str, str], default: str, title: str, group: str, about: str = "", only: Any = None) -> Any:
    """Declare a field that takes one of several values, and nothing else."""
    return setting(
        title=title, help=about, group=group, default=default, choices=choices, only=only,
        pattern=f"^({'|'.join(map(re.escape, choices))})$",
    )  # fmt: skip


class AdcsConfig(Config):
    """One CA, one transport, one account. The base URL is a common field of every connector."""

    setup_type: str = _choice(
        _SETUPS,
        ENTERPRISE,
        "CA setup type",
        "Certification authority",
        "On the CA, certutil -cainfo type tells which. Only an Enterprise CA has templates.",
    )
    transport: str = _choice(
        _TRANSPORTS, CERTSRV, "Transport", "Certification authority", "By which of its interfaces the CA is spoken to."
    )
    ca_name: NonEmpty = setting(
        title="CA name", group="Certification authority",
        help="The CA's own name, or its config string host\\name, as certutil shows it. Test connection compares it.",
    )  # fmt: skip
    path: str = setting(
        only={"transport": (CERTSRV, CES)},
        title="Path of the transport", group="Certification authority", default="", max_length=300, advanced=True,
        help="Below the base URL. Leave it empty for what Windows sets up: certsrv, or for CES the address that is made of CA name "
        "and login, as CA-NAME_CES_Kerberos/service.svc/CES.",
    )  # fmt: skip
    policy_path: str = setting(
        only={"transport": (CES,)},
        title="Path of the policy service", group="Certification authority", default="", max_length=300, advanced=True,
        destination=True,
        help="CEP, for CES alone: as ADPolicyProvider_CEP_UsernamePassword/service.svc/CEP, or a whole URL. It tells the "
        "templates and the account's rights; left empty, nothing is asked there.",
    )  # fmt: skip
    rpc_interface: str = _choice(
        _INTERFACES, "icpr", "RPC interface for orders", "Certification authority",
        "Leave it, unless Test connection says that the interface is not registered at the CA.", only={"transport": (RPC,)},
    )  # fmt: skip
    rpc_port: int = setting(
        title="Port of the endpoint mapper", group="Certification authority", default=135, ge=1, le=65535, advanced=True,
        destination=True,
        help="For RPC and for the managing account. Windows has it at 135; the ports behind it must be open as well.",
    )  # fmt: skip
    ca_host: str = setting(
        title="CA host", group="Certification authority", default="", max_length=253, advanced=True, destination=True,
        help="For RPC and for the managing account: the machine of the CA itself, where the base URL leads to another one.",
    )  # fmt: skip
    authentication: str = _choice(
        _LOGINS, "kerberos", "Login", "Login",
        "Only the one that is chosen is tried. Web Enrollment has all but the last; CES has no Basic; RPC has Kerberos and NTLM. "
        "Kerberos needs the extra chancery[kerberos] where Chancery runs.",
    )  # fmt: skip
    username: str = setting(
        only=_NAMED,
        title="User name", group="Login", default="", max_length=300,
        help="user@domain, or DOMAIN\\user for NTLM and Basic. Use an account for Chancery alone, with Enroll on its templates.",
    )  # fmt: skip
    password: Secret | None = setting(
        only=_NAMED, title="Password", group="Login", default=None,
        help="Of that account. With Kerberos a keytab may stand in its place.",
    )  # fmt: skip
    keytab: Secret | None = setting(
        only=_KERBEROS,
        title="Keytab", group="Login", default=None, multiline=True, stays=True,
        help="For Kerberos, instead of the password: the file as Base64 text (base64 -w0 account.keytab).",
    )  # fmt: skip
    spn: str = setting(
        only=_KERBEROS,
        title="SPN of the server", group="Login", default="", max_length=300, advanced=True,
        help="As HTTP/pki.example.com, where it is not that of the base URL's host.",
    )  # fmt: skip
    client_certificate: str = setting(
        only=_MAPPED,
        title="Client certificate", group="Login", default="", max_length=50_000, multiline=True,
        help="PEM, with its issuers behind it.",
    )  # fmt: skip
    client_key: Secret | None = setting(
        only=_MAPPED,
        title="Key of the client certificate", group="Login", default=None, multiline=True, stays=True,
        help="PEM, without a passphrase.",
    )  # fmt: skip
    manager_username: str = setting(
        title="Managing account", group="Managing account", default="", max_length=300,
        help="An account with the right Issue and Manage Certificates, and in the group Certificate Service DCOM Access. With it "
        "Chancery revokes, cancels, searches and lists over RPC, whatever the transport of orders is. It logs in by Kerberos "
        "where that is chosen for orders, else by NTLM.",
    )  # fmt: skip
    manager_password: Secret | None = setting(
        title="Password of the managing account", group="Managing account", default=None,
        help="Needed once a managing account is named.",
    )  # fmt: skip
    templates: str = setting(
        only={"setup_type": (ENTERPRISE,)},
        title="Templates", group="Templates", default="", max_length=20_000, multiline=True,
        help="One a line: the template's name (cn, not its display name), and behind = what people shall read, "
        "as WebServer2 = Web server, half a year. Profiles choose among these.",
    )  # fmt: skip
    template_source: str = _choice(
        _SOURCES, OWN, "Where templates come from", "Templates",
        "The directory tells who may enrol, and shows dangerous templates. It is read by the connector's account, by Kerberos "
        "where that is its login, else by NTLM.", only={"setup_type": (ENTERPRISE,)},
    )  # fmt: skip
    directory_host: str = setting(
        only=_IN_DIRECTORY,
        title="Domain controller", group="Templates", default="", max_length=253, destination=True,
        help="Its host name, as its certificate and its SPN (ldap/…) have it, or the domain's name.",
    )  # fmt: skip
    directory_protection: str = _choice(
        _PROTECTIONS,
        "ldaps",
        "Protection of the connection",
        "Templates",
        "Nothing is read from a directory unprotected.",
        only=_IN_DIRECTORY,
    )
    directory_port: int = setting(
        only=_IN_DIRECTORY,
        title="Port of the directory", group="Templates", default=0, ge=0, le=65535, advanced=True,
        help="0 takes the usual one.",
    )  # fmt: skip
    directory_trust: str = setting(
        only=_IN_DIRECTORY,
        title="Trust bundle of the directory", group="Templates", default="", max_length=100_000, multiline=True, advanced=True,
        help="PEM: the root above the domain controller's certificate, where it is not in the connector's trust bundle.",
    )  # fmt: skip
    send_reference: bool = setting(
        title="Send our reference", group="Lost answers", default=True, advanced=True,
        help="As a request attribute, which the CA stores with the row: a lost order is found by it. Off, where a policy "
        "module of somebody else's stumbles over it.",
    )  # fmt: skip
    search_from: int = setting(
        only={"transport": (CERTSRV,)},
        title="Search lost orders from request id", group="Lost answers", default=0, ge=0, le=2**31 - 1, advanced=True,
        help="An id that this CA has, from not long ago. Then a lost order is looked for among the newest 200 requests, "
        "which reads certificates of others. 0: a person decides.",
    )  # fmt: skip

    @property
    def reads_directory(self) -> bool:
        """Say whether templates come from Active Directory."""
        return self.setup_type == ENTERPRISE and self.template_source == LDAP

    @model_validator(mode="after")
    def _fitting(self) -> AdcsConfig:
        if "://" in self.path:
            raise ValueError("the path lies below the base URL: enter another base URL for another host")
        if self.authentication not in _BY_TRANSPORT[self.transport]:
            raise ValueError(f"{_TRANSPORTS[self.transport]} has no login of this kind: {_LOGINS[self.authentication]}")
        if self.reads_directory and not self.directory_host.strip():
            raise ValueError("enter the domain controller from which templates are to be read")
        if self.reads_directory and self.authentication == "certificate":
            raise ValueError(
                "the directory is read by a user name: with a client certificate, take templates from the transport"
            )
        return self


class AdcsProfile(ProfileSettings):
    """The template; a Standalone CA has none."""

    template: str = setting(
        title="Template", group="Template", default="", max_length=200, dynamic=True,
        pattern=r"^$|^[^\x00-\x1f\x7f\s]([^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$",
        help="Its name (cn) or OID, published on the CA, with the subject supplied in the request and server "
        "authentication as its only use. Left empty for a Standalone CA.",
    )  # fmt: skip


def typed_templates(config: AdcsConfig) -> dict[str, str]:
    """Return the templates that the administrator typed: name → what people read."""
    pairs = (line.partition("=") for line in config.templates.splitlines())
    return {name.strip(): label.strip() or name.strip() for name, _, label in pairs if name.strip()}


def bare_ca_name(config: AdcsConfig) -> str:
    """Return the CA's name without the host of a config string."""
    return config.ca_name.rpartition("\\")[2].strip()
