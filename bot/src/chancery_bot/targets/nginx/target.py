"""Deploys to nginx: tested by `nginx -t`, reloaded by signal or by systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.local import Local
from chancery_bot.targets.base import RELOAD_SECONDS, TEST_SECONDS
from chancery_bot.targets.finding import Given, address, offer, whole_path
from chancery_bot.targets.nginx.settings import Settings
from chancery_bot.targets.pair import PairTarget
from chancery_bot.wire import Found

_BOTH = 2
_USUAL_PORT = 80
"""Where nginx listens when an address has no port."""


class Target(PairTarget[Settings]):
    """One pair of files of an nginx."""

    def test(self) -> None:
        """Let nginx read its whole configuration."""
        self.ran([*self._command(), "-t"], TEST_SECONDS, "nginx -t")

    def reload(self) -> None:
        """Let nginx start workers with the new files."""
        if self.settings.service:
            super().reload()
        else:
            self.ran([*self._command(), "-s", "reload"], RELOAD_SECONDS, "nginx -s reload")

    def _command(self) -> list[str]:
        config = self.settings.config
        more = ["-c", str(self.local.path(config, "config"))] if config else []
        return [self.local.program("nginx"), *more]


def find(local: Local) -> Iterator[Found]:
    """Yield the servers with TLS of this host's nginx, as `nginx -T` prints its configuration."""
    try:
        ran = posix.run([local.program("nginx"), "-T"], TEST_SECONDS, whole=True)
    except Refused:
        return
    if ran.code == 0:
        yield from servers(ran.said)


def servers(text: str) -> Iterator[Found]:
    """Yield the server blocks of a configuration that have a certificate, with what could be deployed to."""
    main = re.search(r"(?m)^# configuration file (/\S+):$", text)
    folder = Path(main[1]).parent if main else None
    for block in _blocks(re.sub(r"(?m)^\s*#.*$", "", text)):
        said = dict(re.findall(r"(?:^|[\s;{])(ssl_certificate(?:_key)?)\s+([^;]+);", block))
        where = _listens(block)
        names = re.search(r"server_name\s+([^;]+);", block)
        if len(said) < _BOTH or where is None:
            continue
        found = list(_names(names[1].split() if names else []))
        given: Given = {
            "certificate": whole_path(said["ssl_certificate"].strip(), folder),
            "key": whole_path(said["ssl_certificate_key"].strip(), folder),
            **where,
            "server_name": found[0] if found else "",
        }
        yield from offer(Settings, "nginx", f"nginx, {found[0] if found else where['probe_port']}", given, found)


def _names(words: list[str]) -> Iterator[str]:
    """Yield those that a certificate can be for; nginx writes `.x` for x and *.x, and has expressions and ends of any kind."""
    for word in words:
        if re.fullmatch(r"(\*\.|\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", word):
            yield from (word[1:], f"*{word}") if word.startswith(".") else (word,)


def _listens(block: str) -> Given | None:
    """Return where a server listens with TLS, by the loopback of IPv4 where it does; None where it does not listen."""
    lines = [line.split() for line in re.findall(r"(?:^|[\s;{])listen\s+([^;]+);", block)]
    found = [address(words[0], _USUAL_PORT) for words in lines if "ssl" in words[1:]]
    whole = [one for one in found if one is not None]
    return min(whole, key=lambda one: "probe_host" in one, default=None)


def _blocks(text: str) -> Iterator[str]:
    """Yield what stands inside each `server { … }`, with the blocks in it."""
    for start in re.finditer(r"\bserver\s*\{", text):
        depth, at = 1, start.end()
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield text[start.end() : at]
