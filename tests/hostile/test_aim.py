"""A stored secret goes where it was entered for: whoever changes the address gives it anew, and a listener elsewhere gets none."""

import pytest

from chancery.apps.connectors import actions
from chancery.apps.connectors.models import Call, Connector
from chancery.core.errors import Invalid
from chancery.net.tests.serving import Server
from tests.cast import digicert_values
from tests.pki import self_signed_pem

pytestmark = pytest.mark.django_db(transaction=True)
ANSWER = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def elsewhere():
    with Server(ANSWER) as server:
        yield server


def changes(url):
    """Return every way to have what is stored sent elsewhere, or believed by somebody else."""
    return {
        "address": {"base_url": url},
        "address and path": {"base_url": f"{url}/services/v2"},
        "proxy": {"proxy": url},
        "trust": {"trust_pem": self_signed_pem()},
        "networks": {"allowed_networks": "127.0.0.0/8 10.0.0.0/8"},
        "address, trust and networks": {
            "base_url": url, "trust_pem": self_signed_pem(), "allowed_networks": "127.0.0.0/8 10.0.0.0/8",
        },
    }  # fmt: skip


def tries(cast, row, values):
    """Yield every act that takes settings for a connector that has a secret."""
    yield "edit", lambda: actions.edit(cast.ada, row.pk, row.revision, values)
    yield "test", lambda: actions.test_unsaved(cast.ada, "digicert", values, row.pk)
    yield "pick list", lambda: actions.ask_choices(cast.ada, "digicert", "container_id", values, row.pk)


def test_no_stored_secret_is_sent_where_it_was_not_entered_for(cast, digicert, simulator, engine, elsewhere, result):
    row, key, tried = Connector.objects.get(), simulator.credentials["api_key"], 0
    for blank in (None, ""):
        for what, change in changes(elsewhere.url).items():
            given = {**digicert_values(simulator, **change), "api_key": blank}
            for act, attempt in tries(cast, row, {n: v for n, v in given.items() if v is not None}):
                assert "api_key" in refused(attempt), (what, act, blank)
                tried += 1
    finished(engine)
    assert elsewhere.requests == []
    control = actions.test_unsaved(
        cast.ada, "digicert", digicert_values(simulator, base_url=elsewhere.url, api_key="a-fresh-one"), row.pk
    )
    finished(engine)
    assert Call.objects.get(pk=control.pk).state == "done"
    sent = b"".join(elsewhere.requests)
    assert (b"a-fresh-one" in sent, key.encode() in sent) == (True, False)
    unit = f"bytes of a stored secret at a listener elsewhere, of {tried} tries to aim it there; a fresh one arrived"
    result("R34", 0, unit)


def refused(attempt):
    """Return the fields that an attempt was refused for."""
    try:
        attempt()
    except Invalid as refusal:
        return {p.field for p in refusal.problems}
    return set()


def finished(engine):
    engine.until(
        lambda: not Call.objects.filter(state="due").exists() and not Call.objects.filter(state="running").exists()
    )
