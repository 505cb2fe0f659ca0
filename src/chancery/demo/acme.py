"""ACME clients at the demo: a profile that is offered to them, and a credential for whoever tries one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from chancery.demo.prepare import LOCAL

if TYPE_CHECKING:
    from chancery.apps.profiles.models import Profile

_MEMORY = "acme.json"
_NAME = "ACME client of the demo"
_TOLD = """\
For ACME clients {url}/acme/directory (every name counts as authorised beforehand), for example
                  certbot certonly --standalone --server {url}/acme/directory \\
                    --eab-kid {kid} --eab-hmac-key {key} \\
                    --agree-tos -m you@example.com -d acme.example.com \\
                    --config-dir acme --work-dir acme --logs-dir acme"""


def offered(home: Path, url: str) -> str:
    """Offer a profile and make a credential, at the first run, and return how a client orders; why not, if not."""
    from chancery.apps.acme.models import Credential
    from chancery.apps.profiles.models import Profile

    memory = home / _MEMORY
    profile = Profile.objects.filter(name=LOCAL[1], deleted_at=None).first()
    if not memory.exists() and profile is not None:
        _make(memory, profile)
    made: dict[str, str] = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    credential = Credential.objects.filter(pk=made["kid"], revoked_at=None).first() if made else None
    if profile is None or credential is None:
        return "The demo's profile or its ACME credential is gone, so no ACME client is shown."
    return _TOLD.format(url=url, **made)


def _make(memory: Path, profile: Profile) -> None:
    from chancery.apps.acme import actions
    from chancery.apps.shared.actor import host_actor

    actor = host_actor("demo")
    actions.offer(actor, profile.pk, any_name=True)
    credential, key = actions.create_credential(actor, _NAME, profile=profile.pk, accounts=100)
    memory.touch(mode=0o600)
    memory.write_text(json.dumps({"kid": str(credential.pk), "key": key}), encoding="utf-8")
