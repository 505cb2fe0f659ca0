"""Builds authorities from connector versions, and keeps them while the version lasts."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chancery import catalog
from chancery.apps.connectors import references, sealing
from chancery.apps.connectors.actions import unsealed_version
from chancery.apps.connectors.models import Call, ConnectorVersion
from chancery.apps.connectors.sealed import CALL_TABLE
from chancery.core.clock import Clock
from chancery.core.errors import Unavailable
from chancery.core.secret import Secret
from chancery.engine.cpu import Settings
from chancery.net.addresses import AddressPolicy
from chancery.sdk.authority import Context, DoorOptions, describe, door_options
from chancery.sdk.config import Config, pins_of
from chancery.sdk.http import HttpDoor

_KEEP = 256


@dataclass
class Built:
    """An authority ready to be called, its door (None for one that needs no network) and raw settings."""

    authority: Any
    door: HttpDoor | None
    settings: Settings
    secrets: tuple[Secret, ...] = ()
    until: float = float("inf")
    """Seconds on the steady clock after which what its secrets refer to is read again."""


class Builder:
    """Caches by version id: versions never change, so nothing old can be served."""

    def __init__(self, clock: Clock, before_send: Callable[[], None]) -> None:
        self._clock, self._before_send = clock, before_send
        self._cache: OrderedDict[UUID, Built] = OrderedDict()
        self._lock = threading.Lock()

    def version(self, slug: str, version_id: UUID) -> Built:
        """Return the authority of a version in force; call it on the thread that owns the database. Raises `Unavailable`."""
        with self._lock:
            found = self._cache.get(version_id)
        if found is not None and found.until <= self._clock.monotonic():
            found = self._again(version_id, found)
        if found is None:
            version = ConnectorVersion.objects.select_related("connector").get(pk=version_id)
            if version.pk != version.connector.current_id:
                # Its secrets are erased, and what is built without them could be another account's.
                raise Unavailable("The connector was just edited.", remedy="Try again.", code="edited")
            where = {n: getattr(version, n) for n in ("base_url", "proxy", "trust_pem", "allowed_networks")}
            cls = catalog.build(slug)
            plain = cls.config.upgrade(version.schema, version.settings)
            found = self._build(slug, where, plain, unsealed_version(version))
            with self._lock:
                self._cache[version_id] = found
                while len(self._cache) > _KEEP:
                    self._cache.popitem(last=False)
        return found

    def _again(self, version_id: UUID, before: Built) -> Built | None:
        """Read again what secrets refer to; None where it changed. Where it cannot be read, what was read before stays."""
        try:
            now = _resolved(unsealed_version(ConnectorVersion.objects.get(pk=version_id)))
        except Unavailable as error:
            logging.getLogger("chancery.worker").error("%s What was read before is used.", error)
            before.until = self._clock.monotonic() + references.AGAIN
            return before
        if tuple(now.values()) != before.secrets:
            return None
        before.until = self._clock.monotonic() + references.FRESH
        return before

    def unsaved(self, call: Call) -> Built:
        """Return the authority of settings that are sealed in a call."""
        plain = dict(call.sealed["plain"])
        settings = plain.pop("settings")
        secrets = {
            name: sealing.unseal(sealed, table=CALL_TABLE, record=str(call.pk), field=name)
            for name, sealed in call.sealed["secrets"].items()
        }
        return self._build(call.authority, plain, settings, secrets)

    def close(self) -> None:
        """Close every connection that is kept alive."""
        with self._lock:
            kept, self._cache = list(self._cache.values()), OrderedDict()
        for built in kept:
            if built.door is not None:
                built.door.close()

    def _build(self, slug: str, where: dict[str, Any], plain: dict[str, Any], secrets: dict[str, Secret]) -> Built:
        cls = catalog.build(slug)
        referring = any(references.kind(secret) for secret in secrets.values())
        secrets = _resolved(secrets)
        config = cls.config.model_validate({**plain, **secrets})
        outside = getattr(cls, "outside", True)
        door = None
        if outside:
            plain_http = describe(cls, plain).facts.plain_http
            door = self._door(where, secrets, config, door_options(cls, config), plain_http=plain_http)
        context = Context(http=door, clock=self._clock, log=logging.getLogger(f"chancery.authority.{slug}"))  # type: ignore[arg-type]  # None only where nothing outside is reached
        revealed = tuple(sorted((n, s.reveal()) for n, s in secrets.items()))
        settings = (slug, tuple(sorted(plain.items())), revealed)
        until = self._clock.monotonic() + references.FRESH if referring else float("inf")
        return Built(cls(config, context), door, settings, tuple(secrets.values()), until)

    def _door(
        self,
        where: dict[str, Any],
        secrets: dict[str, Secret],
        config: Config,
        options: DoorOptions,
        *,
        plain_http: bool,
    ) -> HttpDoor:
        return HttpDoor(
            where["base_url"],
            clock=self._clock,
            policy=AddressPolicy(tuple(where["allowed_networks"])),
            trust_pem=where["trust_pem"] or None,
            proxy=where["proxy"] or None,
            secrets=tuple(secrets.values()),
            before_send=self._before_send,
            client_identity=options.client_identity,
            speaks_http=options.speaks_http,
            plain_http=plain_http,
            pins=pins_of(config),
        )


def _resolved(secrets: dict[str, Secret]) -> dict[str, Secret]:
    return {name: references.resolve(secret) for name, secret in secrets.items()}
