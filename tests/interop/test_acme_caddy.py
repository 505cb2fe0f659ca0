"""Caddy's acme_server: smallstep's ACME authority, persistent, with real http-01 on port 80."""

import json
from contextlib import contextmanager

import pytest

from chancery.core.order import RevocationReason
from chancery.net.listening import free_port
from chancery.sdk.errors import AlreadyDone
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Revoked
from tests.interop import pki
from tests.interop.children import child, needs
from tests.interop.driving import Answers, Driver, answering, checked, on_port_80, request, target


def settings(port, files):
    """Return Caddy's configuration: a CA on our root, its ACME server, TLS for localhost."""
    root = {"certificate": files.root, "private_key": files.root_key, "format": "pem_file"}
    issuing = {"certificate": files.intermediate, "private_key": files.intermediate_key, "format": "pem_file"}
    authority = {"root": root, "intermediate": issuing, "install_trust": False}
    handler = {"handler": "acme_server", "ca": "local", "host": f"localhost:{port}"}
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "routes": [{"handle": [handler]}],
    }
    return {
        "admin": {"disabled": True},
        "storage": {"module": "file_system", "root": "data"},
        "apps": {
            "pki": {"certificate_authorities": {"local": authority}},
            "http": {"servers": {"s": server}},
            "tls": {"certificates": {"load_files": [{"certificate": files.certificate, "key": files.key}]}},
        },
    }


@contextmanager
def caddy(folder):
    """Run Caddy as a CA; give (directory, root)."""
    needs("caddy")
    files, port = pki.write(folder), free_port()
    (folder / "caddy.json").write_text(json.dumps(settings(port, files)))
    with child(["caddy", "run", "--config", "caddy.json"], folder, listens=(port,)):
        yield f"https://localhost:{port}/acme/local/directory", files.root_pem


@pytest.fixture
def driver(tmp_path):
    answers = Answers()
    with answering(answers, on_port_80()), caddy(tmp_path) as (directory, root):
        made = Driver(directory, root, answers)
        yield made
        made.close()


def test_a_certificate_is_issued_and_renewed(driver):
    asked = request("localhost")
    issued = driver.issue(asked)
    checked(issued, asked)
    again = request("localhost", previous=issued.reference)
    assert checked(driver.issue(again), again).serial != checked(issued, asked).serial
    assert not [f for f in driver.fresh().check() if f.level is Level.FAILED]


def test_a_revocation_is_confirmed_once(driver):
    asked = request("localhost")
    issued = driver.issue(asked)
    revoke = driver.fresh().revoke
    assert isinstance(revoke(target(issued, asked), RevocationReason.SUPERSEDED, ""), Revoked)
    with pytest.raises(AlreadyDone):
        revoke(target(issued, asked), RevocationReason.SUPERSEDED, "")
