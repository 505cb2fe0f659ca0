"""The outbox: each channel's due notices as one message, under a lease, sent again where it failed."""

from datetime import timedelta

import pytest

from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.notices import actions, sending
from chancery.apps.notices.models import Channel, Delivery, Notice

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliver(local):
    def make(channel, number=1, what="opened"):
        mine = {"team_id": local.team_id, "environment_id": local.environment_id, "opened_at": NOW, "told_at": NOW}
        before = Notice.objects.count()
        for n in range(before, before + number):
            notice = Notice.objects.create(kind="ca_stale", key=str(n), title=f"T{n}", text="Why.", link="/x", **mine)
            Delivery.objects.create(channel=channel, notice=notice, what=what, due_at=NOW, created_at=NOW)

    return make


def claim(now=NOW, most=9):
    return sending.claim(now, most)


def test_what_is_due_for_a_channel_is_one_message(channel, deliver, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://pki.example.com"]
    deliver(channel(), 2)
    assert sending.waiting(NOW)
    (message,) = claim()
    assert message.title == "Chancery: 2 notices"
    assert message.body == "\n\n".join(f"New: T{n}\nWhy.\nhttps://pki.example.com/x" for n in range(2))
    assert message.url.reveal() == "json://host.example/a-token-of-the-test"
    assert not sending.waiting(NOW)
    assert claim() == []


def test_a_single_notice_is_the_title_and_its_end_needs_no_reason(channel, deliver):
    deliver(channel(), 1, "resolved")
    (message,) = claim()
    assert (message.title, message.body) == ("Chancery: Over: T0", "Over: T0")


def test_a_bad_night_is_not_a_thousand_lines(channel, deliver):
    deliver(channel(), 25)
    (message,) = claim()
    assert message.body.count("New: ") == 20
    assert message.body.endswith("And 5 more: ")


def test_no_more_channels_are_taken_than_are_sent_at_once(channel, deliver):
    for name in ("A", "B", "C"):
        deliver(channel(name), 2)
    assert [len(claim(most=2)), len(claim(most=2)), len(claim(most=2))] == [2, 1, 0]


def test_what_was_sent_is_done(channel, deliver):
    row = channel()
    deliver(row, 2)
    Channel.objects.update(failures=3, last_error="x")
    sending.record(claim()[0], "", NOW)
    assert set(Delivery.objects.values_list("state", "due_at", "finished_at")) == {("sent", None, NOW)}
    row.refresh_from_db()
    assert (row.last_sent_at, row.failures, row.last_error) == (NOW, 0, "")


def test_what_failed_is_sent_again_ever_later_and_then_given_up(channel, deliver):
    row = channel()
    deliver(row)
    now, gaps = NOW, []
    for _ in range(12):
        sending.record(claim(now)[0], "No connection.", now)
        found = Delivery.objects.get()
        if found.due_at is not None:
            gaps.append((found.due_at - now).total_seconds())
            now = found.due_at
    assert gaps == [30, 60, 120, 240, 480, 960, 1920, 3840, 7200, 7200, 7200]
    assert (found.state, found.error, found.attempts) == ("failed", "No connection.", 12)
    row.refresh_from_db()
    assert (row.failures, row.last_error) == (12, "No connection.")


def test_a_test_is_sent_once(cast, channel):
    row = channel()
    actions.test(cast.ada, row.pk)
    (message,) = claim()
    assert message.body == "Test, asked for by ada: this channel works."
    sending.record(message, "No.", NOW)
    assert Delivery.objects.get().state == "failed"


def test_what_a_vanished_worker_had_is_sent_by_the_next_and_its_late_word_changes_nothing(channel, deliver):
    deliver(channel())
    (lost,) = claim()
    (again,) = claim(NOW + sending.LEASE)
    sending.record(lost, "", NOW)
    assert Delivery.objects.get().state == "due"
    sending.record(again, "", NOW)
    assert Delivery.objects.get().state == "sent"


def test_a_channel_that_was_deleted_meanwhile_needs_no_record(cast, channel, deliver):
    row = channel()
    deliver(row)
    (message,) = claim()
    actions.delete(cast.ada, row.pk)
    sending.record(message, "", NOW)
    assert not Delivery.objects.exists()


def test_an_address_that_cannot_be_opened_keeps_back_no_other_channel(channel, deliver):
    broken, good = channel("A"), channel("B")
    deliver(broken)
    deliver(good)
    Channel.objects.filter(pk=broken.pk).update(sealed=good.sealed)
    assert [m.channel for m in claim()] == [good.pk]
    broken.refresh_from_db()
    assert "does not belong to this record" in broken.last_error
    assert Delivery.objects.get(channel=broken).due_at == NOW + timedelta(seconds=30)
