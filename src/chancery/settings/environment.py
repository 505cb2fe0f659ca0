"""Every setting that an operator can give, typed, with its default and what it is for."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from chancery.core.posture import ENFORCEABLE


@dataclass(frozen=True)
class Environment:
    """What `CHANCERY_<NAME>` variables say; `DOCS` says of each what it is for."""

    home: Path = Path("~/.chancery")
    database_url: str = ""
    listen: str = "127.0.0.1:8140"
    node: str = ""
    allowed_hosts: str = "localhost,127.0.0.1,[::1]"
    secure_cookies: bool = False
    language: str = "en"
    time_zone: str = "UTC"
    csr_max_bytes: int = 65_536
    csr_max_names: int = 100
    notice_repeat_hours: int = 24
    credential_days: int = 365
    change_days: int = 7
    metrics_on_loopback: bool = False
    acme_url: str = ""
    acme_resolvers: str = ""
    acme_http_port: int = 80
    acme_tls_port: int = 443
    trusted_origins: str = ""
    trusted_proxies: str = ""
    log_level: str = "INFO"
    kek: str = ""
    kek_old: str = ""
    secret_vault: str = ""
    secret_files: str = ""
    egress_addresses: str = ""
    posture_enforced: str = ""
    audit_checkpoint_seconds: int = 10
    audit_anchors: str = ""

    @classmethod
    def read(cls, environ: dict[str, str] | None = None) -> Environment:
        """Return the settings of this process; a malformed one stops the start with its name."""
        source = os.environ if environ is None else environ
        given: dict[str, Any] = {}
        for field in fields(cls):
            name = f"CHANCERY_{field.name.upper()}"
            if source.get(name):
                given[field.name] = _convert(name, source[name], field.default)
                _FITS.get(field.name, _anything)(name, source[name])
        return cls(**given)


DOCS: dict[str, str] = {
    "home": "Folder of the database file and the keys; made with mode 0700. Logs go to standard error.",
    "database_url": "Empty for SQLite in the home folder, or postgresql://user:password@host/name.",
    "listen": "Address and port that `chancery serve` binds.",
    "node": "What this machine is called among the nodes of an installation; empty for its host name.",
    "allowed_hosts": "Host names under which the console may be reached, separated by commas.",
    "secure_cookies": "1 where the console is reached over https; cookies then never travel in the clear.",
    "language": "Default language of pages (a gettext locale).",
    "time_zone": "Default time zone of pages; storage is always UTC.",
    "csr_max_bytes": "Largest certificate request that is looked at, in bytes.",
    "csr_max_names": "Most names that one request may ask for.",
    "notice_repeat_hours": "Hours after which a condition that lasts is told of again; 0 for never.",
    "credential_days": "Days after which a connector's credential counts as old and is told of; 0 for never.",
    "change_days": "Days in which a proposed change has to be approved.",
    "egress_addresses": "The addresses that we reach CAs from, as they see them; shown so that CAs can be told to take no other.",
    "posture_enforced": (
        "Findings of the posture page that are refused when a connector is made, changed or switched on, by commas:"
        " shared_credential, test_in_production, wide_networks, untested."
    ),
    "metrics_on_loopback": (
        "1 to give `/metrics` to whoever asks from this machine without a proxy; else it takes a token with the"
        " permission `metrics.view`."
    ),
    "acme_url": (
        "Address under which ACME clients reach this server, as `https://pki.example.com` (see docs/acme.md). Empty: the ACME"
        " server is off."
    ),
    "acme_resolvers": (
        "DNS servers (address or address:port, by commas) that are asked when names of ACME orders are validated. Empty:"
        " the machine's own, and for dns-01 the servers of the zone."
    ),
    "acme_http_port": "Port that http-01 is validated on; anything but 80 is for tests (RFC 8555 section 8.3).",
    "acme_tls_port": "Port that tls-alpn-01 is validated on; anything but 443 is for tests (RFC 8737 section 3).",
    "trusted_origins": "Origins (https://host) that a reverse proxy serves the console under, by commas.",
    "trusted_proxies": (
        "Addresses or networks of reverse proxies, by commas. Only what comes from these is believed when it names"
        " the client in X-Forwarded-For; the audit record shows that address."
    ),
    "kek": (
        "Key store that seals secrets: `file:///path`, `env:NAME`, `credential:NAME` (systemd),"
        " `vault+https://host:8200/transit/KEY`, `awskms:KEY`, `pkcs11:token=…;object=…` (see docs/keys.md)."
        " Empty for the file `kek` in the home folder, made at first use."
    ),
    "kek_old": "Key stores of before, by blanks, which are still asked for what they wrapped.",
    "secret_vault": (
        "Vault or OpenBao whose KV engine (version 2) references `@vault:PATH#FIELD` lead to:"
        " `vault+https://host:8200/MOUNT?token_file=…` (see docs/keys.md)."
    ),
    "secret_files": "Folder whose files references `@file:NAME` lead to.",
    "audit_checkpoint_seconds": "Seconds between two signed checkpoints of the record while there is news.",
    "audit_anchors": (
        "Places outside for the record's checkpoints, by blanks: `file:///path`, `syslog:///dev/log`,"
        " `syslog+udp://host:514`, `syslog+tcp://host:601`, `s3://bucket/prefix?region=…&retain_days=365`"
        " (see docs/proof.md)."
    ),
    "log_level": "Least level that is logged: DEBUG, INFO, WARNING or ERROR.",
}


def reference() -> str:
    """Return the page docs/reference/settings.md, made from the fields and their documentation."""
    rows = [f"| `CHANCERY_{f.name.upper()}` | {_shown(f.default)} | {DOCS[f.name]} |" for f in fields(Environment)]
    return "\n".join((_HEAD, *rows, ""))


_HEAD = """\
# Settings

Every setting is an environment variable of `chancery` and its processes. An empty one counts as not given. A value
that cannot be read stops the start with the variable's name. This page is written by `make docs` from the code.

| Variable | Default | What it does |
|---|---|---|"""


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "`1`" if default else "`0`"
    return f"`{default}`" if default != "" else "empty"


def _convert(name: str, text: str, default: object) -> object:
    if isinstance(default, bool):
        if text.lower() not in {"0", "1", "true", "false", "yes", "no"}:
            raise SystemExit(f"{name}: {text!r} is neither 1 nor 0.")
        return text.lower() in {"1", "true", "yes"}
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise SystemExit(f"{name}: {text!r} is not a whole number.")
        return int(text)
    return Path(text) if isinstance(default, Path) else text


def _anything(name: str, text: str) -> None:
    """Take every text."""


def _time_zone(name: str, text: str) -> None:
    try:
        ZoneInfo(text)
    except (LookupError, ValueError, OSError):
        raise SystemExit(f"{name}: there is no time zone {text!r} here; write one like Europe/Berlin.") from None


def _log_level(name: str, text: str) -> None:
    if text not in _LEVELS:
        raise SystemExit(f"{name}: {text!r} is none of {', '.join(_LEVELS)}.")


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_FITS: dict[str, Callable[[str, str], None]] = {
    "time_zone": _time_zone,
    "log_level": _log_level,
}
"""Field → what stops the start where its text would only fail later, with a trace and without the setting's name."""


def networks(name: str, text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the addresses and networks that a setting lists; a malformed one stops the start with its name."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SystemExit(f"{name}: {error}; write addresses like 10.0.0.5 or networks like 10.0.0.0/24.") from None


def stores(name: str, text: str, most: int = 9) -> tuple[str, ...]:
    """Return the addresses of key stores that a setting lists; a malformed one stops the start with its name."""
    from chancery.keystores.opening import check

    if len(text.split()) > most:
        raise SystemExit(f"{name}: at most {most} key store can be named here.")
    for address in text.split():
        try:
            check(address)
        except ValueError as error:
            # Not the address: somebody may have put a key into it.
            raise SystemExit(f"{name}: {error}.") from None
    return tuple(text.split())


def secret_vault(name: str, text: str) -> str:
    """Return the address of a KV engine; a malformed one stops the start with its name."""
    parts = urlsplit(text.removeprefix("vault+"))
    good = text.startswith(("vault+https://", "vault+http://")) and parts.hostname and parts.path.strip("/")
    if text and (not good or parts.username):
        raise SystemExit(f"{name}: write it as vault+https://host:8200/MOUNT.")
    return text


_DNS_PORT = 53


def resolvers(name: str, text: str) -> tuple[tuple[str, int], ...]:
    """Return the DNS servers (address, port) that a setting lists; a malformed one stops the start with its name."""
    found = []
    for part in (p.strip() for p in text.split(",") if p.strip()):
        host, port = part, ""
        if part.startswith("["):
            host, _, port = part[1:].partition("]")
        elif part.count(":") == 1:
            host, _, port = part.partition(":")
        try:
            found.append((str(ip_address(host)), int(port.lstrip(":") or _DNS_PORT)))
        except ValueError:
            raise SystemExit(
                f"{name}: {part!r} is no address of a DNS server; write 192.0.2.53 or [::1]:5353."
            ) from None
    return tuple(found)


_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def base_url(name: str, text: str) -> str:
    """Return an address without a slash at its end: https, or http on this very machine; a malformed one stops the start."""
    try:
        parts = urlsplit(text)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
        good = (
            good and bool(parts.hostname) and parts.port != 0 and not (parts.username or parts.query or parts.fragment)
        )
    except ValueError:
        good = False
    if text and not good:
        raise SystemExit(f"{name}: write it as https://pki.example.com; http is for 127.0.0.1 alone.")
    return text.rstrip("/")


_ANCHORS = {"file": "path", "syslog": "path", "syslog+udp": "hostname", "syslog+tcp": "hostname", "s3": "hostname"}
"""Scheme of an anchor → the part of its address that it cannot do without."""


def anchors(name: str, text: str) -> tuple[str, ...]:
    """Return the addresses that a setting lists; a malformed one stops the start with its name."""
    for place in text.split():
        try:
            parts = urlsplit(place)
            known = bool(getattr(parts, _ANCHORS[parts.scheme])) and parts.port != 0 and not parts.username
            days = parse_qs(parts.query).get("retain_days", ["1"])[-1]
        except (KeyError, ValueError):
            known, days = False, "1"
        if not known or not (days.isascii() and days.isdigit() and len(days) <= _MOST_DIGITS) or len(place) > _LONGEST:
            kinds = ", ".join(f"{scheme}://" for scheme in _ANCHORS)
            raise SystemExit(f"{name}: {place!r} is no place for checkpoints; write one of {kinds}.")
    return tuple(dict.fromkeys(text.split()))


_MOST_DIGITS, _LONGEST = 5, 300


def enforced(name: str, text: str) -> frozenset[str]:
    """Return the kinds of findings that a setting lists; an unknown one stops the start with its name."""
    kinds = frozenset(part.strip() for part in text.split(",") if part.strip())
    for kind in sorted(kinds - ENFORCEABLE):
        raise SystemExit(f"{name}: {kind!r} cannot be enforced; write some of {', '.join(sorted(ENFORCEABLE))}.")
    return kinds


def database(url: str, home: Path) -> dict[str, Any]:
    """Return Django's DATABASES entry for a URL; empty means SQLite in `home`."""
    if not url:
        return _sqlite(home / "chancery.sqlite3")
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise SystemExit(f"CHANCERY_DATABASE_URL: the scheme {parts.scheme!r} is not postgresql.")
    query = parse_qs(parts.query)
    return {
        "ENGINE": "chancery.apps.shared.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # Prepared are only the few statements that every order needs (`apps/shared/returning.py`).
        "OPTIONS": {"application_name": "chancery", "prepare_threshold": 5, **_CUT_OFF},
    }


_CUT_OFF: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 8_000,
    "options": (
        "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c tcp_user_timeout=8000"
        " -c idle_in_transaction_session_timeout=30000 -c jit=off"
    ),
}
"""Either side notices within some eight seconds that the other is gone (the first lines are ours, `options` the server's). So a
node that was cut off holds its locks no longer than that, and one that was stopped inside a transaction, whose kernel still
answers, for half a minute. And every question is a short one, which takes less time than to be compiled."""


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "chancery.apps.shared.sqlite",
        "NAME": path,
        # A file, as in earnest: SQLite's shared memory databases lock by other rules.
        "TEST": {"NAME": path.with_name("test.sqlite3")},
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            # Each request's thread has a connection, and each connection a cache of its own; what is mapped they share.
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                " PRAGMA cache_size=-16384; PRAGMA mmap_size=1073741824; PRAGMA temp_store=MEMORY;"
                " PRAGMA wal_autocheckpoint=8000; PRAGMA journal_size_limit=67108864;"
            ),
        },
    }


def secret_key(home: Path, *, make: bool = True) -> str:
    """Return the key that signs cookies, made at first start in a file of mode 0600.

    Processes that start together agree on one: whoever links the finished file first has made it. Without `make`, where
    there is none, a process that signs nothing has one of its own.
    """
    path = home / "secret-key"
    if not make and not path.exists():
        return secrets.token_urlsafe(48)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        handle, fresh = tempfile.mkstemp(dir=home)  # made with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            # Also where the disk is full: nobody may take a part of a key for one.
            Path(fresh).unlink()
    return path.read_text(encoding="ascii")
