"""The end of the demo: a web server on loopback that serves a certificate which a bot ordered and deployed.

Only where nginx is installed. Its port is another one at each start; everything else stays from one run to the next.
"""

from __future__ import annotations

import json
import os
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core.clock import SYSTEM_CLOCK
from chancery.demo.children import Children
from chancery.demo.nginx import PROGRAM
from chancery.demo.prepare import COMMON, LOCAL
from chancery.net import listening

NAME = "shop.example.com"
_PATIENCE = 20.0
_CONFIG = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/tmp-1; proxy_temp_path {folder}/tmp-2; fastcgi_temp_path {folder}/tmp-3;
  uwsgi_temp_path {folder}/tmp-4; scgi_temp_path {folder}/tmp-5;
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name {name};
    ssl_certificate {folder}/shop.pem;
    ssl_certificate_key {folder}/shop.key;
    location / {{ default_type text/plain; return 200 "Served by nginx; ordered and deployed by a bot.\\n"; }}
  }}
}}
"""


def serve(children: Children, home: Path, url: str) -> str:
    """Start web server and bot, and return what to tell about them; in a sentence why not, where they cannot be."""
    if not os.access(PROGRAM, os.X_OK):
        return "Without nginx (apt-get install nginx-light) no web server is shown."
    folder = home / "web"
    folder.mkdir(mode=0o700, exist_ok=True)
    port = listening.free_port()
    target = _target(folder, url, port)
    if target is None:
        return "The demo's bot or its profile was deleted, so no web server is shown."
    _placeholder(folder)
    (folder / "nginx.conf").write_text(_CONFIG.format(folder=folder, port=port, name=NAME), encoding="ascii")
    children.start("web server", "chancery.demo.nginx", str(folder / "nginx.conf"), again=True)
    children.wait(lambda: _listens(port), _PATIENCE, "Starting the web server")
    children.start("bot", "chancery_bot", *_arguments(folder), "run", again=True)
    deployment = _deployment(target)
    children.wait(lambda: _ended(deployment), _PATIENCE, "Deploying to the web server")
    return _told(deployment, url, port)


def _arguments(folder: Path) -> tuple[str, ...]:
    return ("--home", str(folder / "bot"), "--config", str(folder / "bot.toml"))


def _target(folder: Path, url: str, port: int) -> Any:
    """Return the bot's target, made at the first run; None where somebody took away what it needs."""
    from chancery.apps.bots import targets
    from chancery.apps.bots.models import Target
    from chancery.apps.profiles.models import Profile
    from chancery.apps.shared.actor import host_actor

    actor, memory = host_actor("demo"), folder / "demo.json"
    if not Profile.objects.filter(name=LOCAL[1], deleted_at=None).exists():
        return None
    config = json.dumps(str(folder))
    (folder / "bot.toml").write_text(f'roots = [{config}]\nprograms = {{ nginx = "{PROGRAM}" }}\n', encoding="utf-8")
    given: dict[str, Any] = {"kind": "nginx", "name": "The shop", "profile": LOCAL[1], "names": [NAME]}
    given |= {"settings": {**_files(folder), "probe_port": port}}
    if not memory.exists():
        target = targets.add(actor, _enrolled(folder, url), given)
        memory.write_text(json.dumps({"target": str(target.pk)}), encoding="utf-8")
        return target
    ident = json.loads(memory.read_text(encoding="utf-8"))["target"]
    row = Target.objects.filter(pk=ident, deleted_at=None).select_related("profile").first()
    if row is None or row.profile.deleted_at is not None:
        return None
    _moved(folder, url)
    kept: dict[str, Any] = {
        "name": row.name,
        "kind": row.kind,
        "profile": str(row.profile_id),
        "key_type": row.key_type,
    }
    kept |= {"names": [value for _, value in row.names], "renew_days": row.renew_days, "window": row.window}
    return targets.edit(actor, row.pk, row.revision, {**kept, "settings": {**row.settings, "probe_port": port}})


def _files(folder: Path) -> dict[str, str]:
    names = {"certificate": "shop.pem", "key": "shop.key", "config": "nginx.conf"}
    return {setting: str(folder / name) for setting, name in names.items()}


def _enrolled(folder: Path, url: str) -> Any:
    """Make a bot and enrol it, as its host's administrator would; returns its id."""
    from chancery_bot.client import Client
    from chancery_bot.clock import Clock
    from chancery_bot.run import describe
    from chancery_bot.state import State

    from chancery.apps.bots import actions
    from chancery.apps.shared.actor import host_actor

    place: dict[str, Any] = dict(COMMON)
    bot, token = actions.create(host_actor("demo"), "Web server of the demo", poll_seconds=1, days=1, **place)
    host = describe()
    Client(State(folder / "bot"), Clock(), host.machine).enrol(url, token, host)
    return bot.pk


def _moved(folder: Path, url: str) -> None:
    """Let the bot follow the server, which may be at another port in this run."""
    from chancery_bot.state import State

    State(folder / "bot").follow(url)


def _placeholder(folder: Path) -> None:
    """Write a certificate of nobody, without which nginx does not start before the bot comes."""
    if (folder / "shop.pem").exists():
        return
    from chancery_bot.material import key_pem

    key, now = ec.generate_private_key(ec.SECP256R1()), SYSTEM_CLOCK.now()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "placeholder.example.com")])
    number, end = x509.random_serial_number(), now + timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), number, now, end).sign(key, hashes.SHA256())
    for file, content in (("shop.key", key_pem(key)), ("shop.pem", made.public_bytes(Encoding.PEM))):
        (folder / file).touch(0o600)
        (folder / file).write_bytes(content)


def _deployment(target: Any) -> Any:
    """Return the deployment to show: one that is asked for now, or the one of a run before."""
    from chancery.apps.bots import actions
    from chancery.apps.bots.models import Deployment
    from chancery.apps.shared.actor import host_actor

    last = Deployment.objects.filter(target=target).order_by("-id").first()
    return last or actions.issue(host_actor("demo"), target.pk)


def _ended(deployment: Any) -> bool:
    deployment.refresh_from_db()
    return deployment.finished_at is not None


def _told(deployment: Any, url: str, port: int) -> str:
    lines = [
        f"A web server at https://127.0.0.1:{port}/ ({NAME}): {deployment.get_state_display().lower()}",
        f"    its timeline   {url}/bots/deployments/{deployment.pk}",
        f"    look at it     openssl s_client -connect 127.0.0.1:{port} -servername {NAME} </dev/null",
    ]
    return "\n".join(lines)


def _listens(port: int) -> bool:
    try:
        return bool(ssl.get_server_certificate(("127.0.0.1", port), timeout=1))
    except OSError:
        return False
