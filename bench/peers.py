"""The nearest peers over HTTP on the same machine and database: django-ca's REST API, and Debian's cfssl.

They get their best: django-ca a fast password hash (it checks a password with every request), as many processes as
there are cores, tasks run in the request. Both store what they sign. They are fetched when the bench runs, are no part
of this project, and are ended with it.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench import client, figures, requests, stand

_DJANGO_CA = ("django-ca[api]==3.2.0", "gunicorn", "psycopg[binary]")
_PORT, _CFSSL_PORT = 18720, 18721
_CLIENTS = 32
_USER = base64.b64encode(b"bench:bench").decode()
_SETTINGS = """
SECRET_KEY = "x" * 50
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "peer_urls"
CA_ENABLE_REST_API = True
CA_USE_CELERY = False
CA_DEFAULT_HOSTNAME = "127.0.0.1"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": FOLDER}},
    "django-ca": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": FOLDER}},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                  "django.contrib.messages", "django.contrib.admin", "django_object_actions", "django_ca"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware",
              "django.contrib.messages.middleware.MessageMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
              "OPTIONS": {"context_processors": ["django.template.context_processors.request",
                                                 "django.contrib.auth.context_processors.auth",
                                                 "django.contrib.messages.context_processors.messages"]}}]
"""
_URLS = "from django.urls import include, path\nurlpatterns = [path('django_ca/', include('django_ca.urls'))]\n"
_WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
_START = """
from django.contrib.auth import get_user_model
from django_ca.models import CertificateAuthority
get_user_model().objects.create_superuser("bench", "", "bench")
CertificateAuthority.objects.update(api_enabled=True)
print(CertificateAuthority.objects.get().serial)
"""
_CFSSL_TABLE = """
CREATE TABLE certificates (serial_number bytea NOT NULL, authority_key_identifier bytea NOT NULL, ca_label bytea,
  status bytea NOT NULL, reason int, expiry timestamptz, revoked_at timestamptz, pem bytea NOT NULL,
  PRIMARY KEY (serial_number, authority_key_identifier));
CREATE TABLE ocsp_responses (serial_number bytea NOT NULL, authority_key_identifier bytea NOT NULL, body bytea NOT NULL,
  expiry timestamptz, PRIMARY KEY (serial_number, authority_key_identifier));
"""


def run(seconds: float) -> dict[str, Any]:
    """Return the rates of the peers, one by one from as many clients as our own one-by-one rate."""
    ders = requests.make(int(seconds * 40) + 200)
    folder = Path(tempfile.mkdtemp(prefix="chancery-bench-peers-", dir="/var/tmp"))
    try:
        return {"django_ca": _django_ca(folder, ders), "cfssl": _cfssl(folder, ders)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rate(port: int, path: str, bodies: list[Any], headers: dict[str, str]) -> dict[str, Any]:
    def post(visitor: http.client.HTTPConnection, body: Any) -> None:
        visitor.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
        answer = visitor.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")

    visitors = [http.client.HTTPConnection("127.0.0.1", port, timeout=120) for _ in range(_CLIENTS)]
    post(visitors[0], bodies[0])
    start = time.monotonic()
    took = client.together(visitors, bodies[1:], post)
    elapsed = time.monotonic() - start
    return {
        "certificates": len(took),
        "seconds": round(elapsed, 1),
        "per_second": round(len(took) / elapsed),
        "answer": figures.milliseconds(took),
    }


def _database(name: str) -> dict[str, str]:
    """Make a database of its own in the cluster that is measured; returns how to reach it ({} for SQLite)."""
    url = os.environ.get("CHANCERY_DATABASE_URL", "")
    if not url:
        return {}
    parts = urlsplit(url)
    where = {"HOST": parse_qs(parts.query)["host"][0], "USER": parts.username or "", "NAME": name}
    subprocess.run(["createdb", "-h", where["HOST"], "-U", where["USER"], name], check=True)
    return where


# django-ca -----------------------------------------------------------------------------------------------


def _django_ca(folder: Path, ders: list[bytes]) -> dict[str, Any]:
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "-q", "install", *_DJANGO_CA], check=True)
    where = _database("djangoca")
    engine = {"ENGINE": "django.db.backends.postgresql", **where}
    # Without these two, writers that read first refuse each other at once.
    options = {"timeout": 60, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    lite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "peer.sqlite3"), "OPTIONS": options}
    databases = {"default": engine if where else lite}
    settings = f"FOLDER = {str(folder / 'files')!r}\nDATABASES = {databases!r}\n{_SETTINGS}"
    for name, text in (("peer_settings", settings), ("peer_urls", _URLS), ("peer_wsgi", _WSGI)):
        (folder / f"{name}.py").write_text(text, encoding="ascii")
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "peer_settings", "PYTHONPATH": str(folder)}
    manage = [str(python), "-m", "django"]
    subprocess.run([*manage, "migrate", "-v", "0"], env=environ, check=True)
    subprocess.run([*manage, "init_ca", "--key-type=EC", "Bench", "CN=Bench"], env=environ, check=True)
    said = subprocess.run([*manage, "shell", "-v", "0", "-c", _START], env=environ, check=True, capture_output=True)
    serial = said.stdout.decode().split()[-1]
    server = [str(python), "-m", "gunicorn", "-w", str(os.cpu_count()), "--threads", "4", "peer_wsgi"]
    bodies = [_django_ca_body(der) for der in ders]
    with _process([*server, "-b", f"127.0.0.1:{_PORT}"], environ, _PORT):
        found = _rate(_PORT, f"/django_ca/api/ca/{serial}/sign/", bodies, {"Authorization": f"Basic {_USER}"})
    count = "from django_ca.models import Certificate; print(Certificate.objects.count())"
    said = subprocess.run([*manage, "shell", "-v", "0", "-c", count], env=environ, check=True, capture_output=True)
    return {**found, "version": _DJANGO_CA[0], "stored": int(said.stdout.decode().split()[-1])}


def _django_ca_body(der: bytes) -> dict[str, Any]:
    from chancery.core.csr import parse

    host = parse(der).common_name
    names = {"type": "subject_alternative_name", "value": [{"type": "DNS", "value": host}]}
    subject = [{"oid": "2.5.4.3", "value": host}]
    return {"csr": rest_pem(der), "subject": subject, "extensions": [names]}


def rest_pem(der: bytes) -> str:
    """Return a request as PEM."""
    encoded = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{encoded}-----END CERTIFICATE REQUEST-----\n"


# cfssl ---------------------------------------------------------------------------------------------------


def _cfssl(folder: Path, ders: list[bytes]) -> dict[str, Any] | str:
    if shutil.which("cfssl") is None:
        return "not installed (Debian's package golang-cfssl)"
    where = _database("cfssl")
    if not where:
        return "measured on PostgreSQL only"
    psql = ["psql", "-q", "-h", where["HOST"], "-U", where["USER"], "-d", "cfssl"]
    subprocess.run([*psql, "-c", _CFSSL_TABLE], check=True)
    usages = ["digital signature", "server auth"]
    for name, document in (
        ("csr", {"CN": "Bench", "key": {"algo": "ecdsa", "size": 256}}),
        ("config", {"signing": {"default": {"expiry": "720h", "usages": usages}}}),
        ("db", {"driver": "postgres", "data_source": f"host={where['HOST']} user={where['USER']} dbname=cfssl"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="ascii")
    made = subprocess.run(["cfssl", "gencert", "-initca", folder / "csr.json"], check=True, capture_output=True)
    for name, text in json.loads(made.stdout).items():
        (folder / f"cfssl-{name}.pem").write_text(text, encoding="ascii")
    command = ["cfssl", "serve", "-address=127.0.0.1", f"-port={_CFSSL_PORT}", f"-ca={folder}/cfssl-cert.pem"]
    command += [f"-ca-key={folder}/cfssl-key.pem", f"-config={folder}/config.json", f"-db-config={folder}/db.json"]
    bodies = [{"certificate_request": rest_pem(der)} for der in ders]
    with _process(command, dict(os.environ), _CFSSL_PORT):
        found = _rate(_CFSSL_PORT, "/api/v1/cfssl/sign", bodies, {})
    said = subprocess.run([*psql, "-Atc", "SELECT count(*) FROM certificates"], check=True, capture_output=True)
    version = subprocess.run(["cfssl", "version"], check=True, capture_output=True).stdout.decode().split("\n")[0]
    return {**found, "version": version, "stored": int(said.stdout)}


@contextmanager
def _process(command: list[str], environ: dict[str, str], port: int) -> Iterator[None]:
    started = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        stand.wait(lambda: _listens(port), 60)
        yield
    finally:
        started.terminate()
        started.wait(30)


def _listens(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
