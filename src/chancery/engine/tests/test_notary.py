"""The record is sealed beside the worker's turns, whatever goes wrong in one round."""

import threading

import pytest
from django.db import OperationalError, connection, transaction

from chancery.apps.audit import checking
from chancery.apps.audit.models import Checkpoint, Entry
from chancery.apps.audit.record import Note, write
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import engine_actor
from chancery.core.errors import Conflict, Unavailable
from chancery.engine import notary

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def outside(tmp_path, settings, monkeypatch):
    settings.AUDIT_KEY_FILE = tmp_path / "audit-key"
    settings.AUDIT_ANCHORS = ((tmp_path / "outside").as_uri(),)
    settings.AUDIT_CHECKPOINT_SECONDS = 0
    monkeypatch.setattr(notary, "EVERY", 0.01)
    return tmp_path / "outside"


def add(number=1):
    write(engine_actor(), "tests.add", current_clock().now(), [Note("order", str(n)) for n in range(number)])


def test_what_is_recorded_is_sealed_and_brought_outside_also_at_the_end(outside, monkeypatch):
    monkeypatch.setattr(notary.sequencer, "BATCH", 10)
    monkeypatch.setattr(notary.sequencer.sequence, "__defaults__", (10,))
    with notary.notary():
        add(35)
        while not outside.exists():
            threading.Event().wait(0.01)
        add(5)
    found = checking.verify()
    assert (found.problems, found.entries, found.waiting) == ([], 40, 0)
    assert outside.read_text().count("chancery/audit/") >= 2
    assert Checkpoint.objects.order_by("-id").first().size == 40


def test_no_fault_ends_it_and_each_is_said_once(monkeypatch, caplog):
    faults = [
        OperationalError("gone"), OperationalError("gone"), Unavailable("No key.", remedy="Put it back."), RuntimeError("x"),
    ]  # fmt: skip
    done = threading.Event()

    def seal():
        if faults:
            raise faults.pop(0)
        done.set()
        return False

    monkeypatch.setattr(notary, "seal", seal)
    with notary.notary():
        assert done.wait(5)
    said = [r.getMessage() for r in caplog.records]
    assert said == [
        "seal: the database does not answer: gone",
        "seal: No key. Put it back.",
        "a round of seal failed; trying again",
    ]


REFUSE = {
    "sqlite": ["CREATE TRIGGER no_entry BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'disk full'); END"],
    "postgresql": [
        "CREATE FUNCTION no_entry() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER no_entry BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION no_entry()",
    ],
}
AGAIN = {
    "sqlite": ["DROP TRIGGER no_entry"],
    "postgresql": ["DROP TRIGGER no_entry ON audit_entry", "DROP FUNCTION no_entry()"],
}


@pytest.fixture
def unwritable():
    """A table of the record that takes nothing."""
    begun = []

    def refuse():
        with connection.cursor() as cursor:
            for line in REFUSE[connection.vendor]:
                cursor.execute(line)
        begun.append(True)

    yield refuse
    with connection.cursor() as cursor:
        for line in AGAIN[connection.vendor] if begun else ():
            cursor.execute(line)


def test_an_action_whose_entry_cannot_be_written_fails_and_changes_nothing(cast, local, unwritable):
    from django.db import DatabaseError

    from chancery.apps.accounts import actions as people
    from chancery.apps.accounts.models import ApiToken, Team
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.connectors.models import Connector
    from chancery.apps.orders import place
    from chancery.apps.orders.models import Order
    from tests.cast import request_pem

    row = Connector.objects.get()
    before = (Entry.objects.count(), row.status, row.revision)
    unwritable()
    for doing in (
        lambda: people.create_team(cast.host, "Third"),
        lambda: people.create_token(cast.rob, "mine"),
        lambda: connectors.deactivate(cast.ada, row.pk),
        lambda: connectors.copy(cast.ada, row.pk, "Other"),
        lambda: place.place(cast.rob, place.PlaceOrder("Internal", request_pem("a.example.com"))),
    ):
        with pytest.raises((DatabaseError, Conflict), match="disk full|could not be stored"), transaction.atomic():
            doing()
    row.refresh_from_db()
    assert (Entry.objects.count(), row.status, row.revision) == before
    assert not Team.objects.filter(name="Third").exists()
    assert not ApiToken.objects.exists()
    assert not Order.objects.exists()


def test_a_result_whose_entry_cannot_be_written_is_not_recorded_and_not_lost(desk, unwritable):
    from django.db import DatabaseError

    from chancery.apps.orders.models import Order
    from chancery.engine.jobs import Cancelled, Kind
    from chancery.engine.record import Recorder
    from chancery.engine.tests.kit import rng

    order = desk.order("pending")
    job = desk.job(order, Kind.CANCEL)
    unwritable()
    with pytest.raises(DatabaseError, match="disk full"), transaction.atomic():
        Recorder(desk.now, rng()).record([(job, Cancelled())])
    assert Order.objects.get().state == "pending"
