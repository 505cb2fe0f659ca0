"""TLS to a CA: what may not be believed gets no byte of a request, and so no secret."""

import ssl
import warnings

import pytest

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import tls_context
from chancery.net.tests.serving import Made, Server, make, to_loopback
from chancery.sdk.errors import Unreachable
from chancery.sdk.http import HttpDoor

NAME, SECRET = "ca.example.com", "canary-of-tls"
DROPPED = "emSign"
"""Roots that browsers dropped in October 2026."""


def old(context):
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def unbelievable(root: Made, folder):
    """Return what is wrong → the server's side of TLS, how the door trusts, and the cause that is told."""
    other, good = make("Another root", ca=True), make(NAME, issuer=root)
    issuing = make("Issuing CA that has expired", issuer=root, ca=True, days=(-9, -1))
    return {
        "expired": (make(NAME, issuer=root, days=(-9, -1)).serving(folder), {}, "tls_expired"),
        "not valid yet": (make(NAME, issuer=root, days=(1, 9)).serving(folder), {}, "tls_not_yet_valid"),
        "for another name": (make("ca.example.org", issuer=root).serving(folder), {}, "tls_wrong_name"),
        "for a name below": (make(f"x.{NAME}", issuer=root).serving(folder), {}, "tls_wrong_name"),
        "for an address": (make("127.0.0.1", issuer=root).serving(folder), {}, "tls_wrong_name"),
        "signed by itself": (make(NAME).serving(folder), {}, "tls_unknown_issuer"),
        "of another root": (make(NAME, issuer=other).serving(folder), {}, "tls_unknown_issuer"),
        "of a CA that is not sent": (make(NAME, issuer=issuing).serving(folder), {}, "tls_unknown_issuer"),
        "of a private root, asked by public ones": (good.serving(folder), {"trust_pem": None}, "tls_unknown_issuer"),
        "of another key than pinned": (good.serving(folder), {"pins": (other.pin,)}, "tls_pin"),
        "spoken with TLS 1.1": (old(good.serving(folder)), {}, "tls"),
    }


def asked(server, root, **more):
    given = {"trust_pem": root.pem, "policy": AddressPolicy(("127.0.0.0/8",)), "resolver": to_loopback, **more}
    door = HttpDoor(
        f"https://{NAME}:{server.port}/", clock=SYSTEM_CLOCK, secrets=(Secret(SECRET),), timeout=20, **given
    )
    try:
        return door.post("orders", headers={"Authorization": SECRET}, json={}, effect=True)
    finally:
        door.close()


def test_what_is_not_to_be_believed_is_sent_nothing(tmp_path, result):
    root = make("Root of the test", ca=True)
    cases = unbelievable(root, tmp_path)
    for what, (tls, more, cause) in cases.items():
        with Server(tls=tls) as server:
            with pytest.raises(Unreachable) as refusal:
                asked(server, root, **more)
            assert refusal.value.code == cause, what
            assert not any(SECRET.encode() in r for r in server.requests), what
    with Server(tls=make(NAME, issuer=root).serving(tmp_path)) as server:
        assert asked(server, root).status == 200
        assert SECRET.encode() in server.requests[0]
    roots = tls_context(None).get_ca_certs()
    assert not [r for r in roots if DROPPED in str(r)]
    kinds = (
        f"{len(cases)} kinds of server that may not be believed; {len(roots)} public roots, none of them dropped ones"
    )
    result("R44", 0, f"requests sent, of {kinds}")
