"""Checkpoints go outside, in order, to each place for itself."""

import json
import os
import socket
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from chancery.apps.audit import anchors, sequencer
from chancery.apps.audit.models import Anchor, Checkpoint
from chancery.apps.audit.record import Note, write
from chancery.apps.shared.actor import engine_actor
from chancery.core import note
from chancery.settings import environment

pytestmark = pytest.mark.django_db
AT = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def key(tmp_path, settings):
    settings.AUDIT_KEY_FILE = tmp_path / "audit-key"


def sign(number=1):
    for _ in range(number):
        write(engine_actor(), "tests.add", AT, [Note("order", "1")])
        sequencer.sequence()
        sequencer.checkpoint(AT)


def notes():
    return list(Checkpoint.objects.order_by("pk").values_list("note", flat=True))


def test_a_file_gets_each_checkpoint_once_and_no_earlier_ones(tmp_path, settings):
    path = tmp_path / "outside"
    settings.AUDIT_ANCHORS = (path.as_uri(),)
    anchors.deliver(AT)
    assert not path.exists(), "there is nothing to bring"
    sign(2)
    anchors.deliver(AT)
    anchors.deliver(AT)
    sign(2)
    anchors.deliver(AT)
    assert [n.strip() for n in note.split(path.read_text())] == [n.strip() for n in notes()[1:]]
    (row,) = anchors.states()
    assert (row.size, row.at, row.failures, row.error) == (4, AT, 0, "")


def test_a_file_on_a_full_disk_never_holds_half_a_checkpoint(tmp_path, settings, monkeypatch, caplog):
    path, real = tmp_path / "outside", os.write
    settings.AUDIT_ANCHORS = (path.as_uri(),)
    sign()
    anchors.deliver(AT)
    whole = path.read_text()
    sign()
    room = [20]

    def write(handle, data):
        if not room[0]:
            raise OSError(28, "No space left on device")
        room[0], taken = 0, bytes(data)[: room[0]]
        return real(handle, taken)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        anchors.deliver(AT)
    assert path.read_text() == whole
    (row,) = anchors.states()
    assert (row.size, row.failures) == (1, 1)
    assert "No space left" in row.error
    anchors.deliver(AT + timedelta(seconds=5))
    assert [n.strip() for n in note.split(path.read_text())] == [n.strip() for n in notes()]
    caplog.clear()


def test_what_another_process_has_added_on_a_full_disk_is_left(tmp_path, settings, monkeypatch, caplog):
    path, real, half = tmp_path / "outside", os.write, []
    settings.AUDIT_ANCHORS = (path.as_uri(),)
    sign()

    def write(handle, data):
        if half:
            with path.open("ab") as other:
                other.write(b"theirs\n")
            raise OSError(28, "No space left on device")
        half.append(bytes(data)[:20])
        return real(handle, half[0])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        anchors.deliver(AT)
    assert path.read_bytes() == half[0] + b"theirs\n"
    assert anchors.states()[0].failures == 1
    caplog.clear()


def test_one_place_that_is_away_keeps_back_no_other_and_is_tried_ever_less_often(tmp_path, settings, caplog):
    away, here = tmp_path / "no" / "folder", tmp_path / "outside"
    settings.AUDIT_ANCHORS = (away.as_uri(), here.as_uri())
    sign()
    for second in range(8):
        anchors.deliver(AT + timedelta(seconds=second))
    first, second = anchors.states()
    assert (first.failures, first.at, second.failures, second.size) == (3, None, 0, 1)
    assert "No such file" in first.error
    assert "no checkpoint of the record reaches" in caplog.text
    away.parent.mkdir()
    sign(2)
    anchors.deliver(AT + timedelta(minutes=1))
    assert len(list(note.split(away.read_text()))) == 3
    assert anchors.states()[0].failures == 0


def test_a_place_that_has_got_nothing_yet_is_shown_too(settings):
    settings.AUDIT_ANCHORS = ("file:///nowhere",)
    assert [(a.place, a.size, a.at) for a in anchors.states()] == [("file:///nowhere", 0, None)]


def test_the_end_of_a_spoilt_file_stops_nothing(tmp_path, settings):
    path = tmp_path / "outside"
    path.write_text("nonsense\n")
    settings.AUDIT_ANCHORS = (path.as_uri(),)
    sign()
    assert Checkpoint.objects.count() == 1


def received(raw):
    head, _, text = raw.decode().partition(" - {")
    assert head.startswith("<109>1 2030-01-02T00:00:00.000000+00:00 ")
    assert " chancery " in head
    assert head.endswith(" audit-checkpoint")
    return json.loads("{" + text)["chancery_checkpoint"]


def test_syslog_on_this_machine(tmp_path, settings):
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(path))
        settings.AUDIT_ANCHORS = (f"syslog://{path}",)
        sign()
        anchors.deliver(AT)
        assert [received(daemon.recv(4096))] == notes()


def test_syslog_over_udp(settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        settings.AUDIT_ANCHORS = (f"syslog+udp://127.0.0.1:{daemon.getsockname()[1]}",)
        sign()
        anchors.deliver(AT)
        assert [received(daemon.recv(4096))] == notes()


def test_syslog_over_tcp_counts_its_bytes(settings):
    with socket.create_server(("127.0.0.1", 0)) as daemon:
        settings.AUDIT_ANCHORS = (f"syslog+tcp://127.0.0.1:{daemon.getsockname()[1]}",)
        sign()
        anchors.deliver(AT)
        client, _ = daemon.accept()
        with client:
            raw = b"".join(iter(lambda: client.recv(4096), b""))
    number, _, rest = raw.partition(b" ")
    assert int(number) == len(rest)
    assert [received(rest)] == notes()
    sign()
    anchors.deliver(AT)
    assert "refused" in anchors.states()[0].error


@pytest.fixture
def bucket(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name="eu-central-1")
        s3.create_bucket(
            Bucket="proof",
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        )
        yield s3
        s3.close()


def test_an_object_store_keeps_each_checkpoint_under_lock(bucket, settings):
    settings.AUDIT_ANCHORS = ("s3://proof/chancery?region=eu-central-1&retain_days=365",)
    sign(1)
    anchors.deliver(AT)
    (row,) = anchors.states()
    assert row.error == ""
    (found,) = bucket.list_objects_v2(Bucket="proof")["Contents"]
    assert found["Key"].startswith("chancery/chancery-audit-")
    assert [bucket.get_object(Bucket="proof", Key=found["Key"])["Body"].read().decode()] == notes()
    lock = bucket.head_object(Bucket="proof", Key=found["Key"])
    assert (lock["ObjectLockMode"], lock["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", AT + timedelta(days=365))


def test_an_object_store_that_refuses_is_told_in_its_words(bucket, settings):
    settings.AUDIT_ANCHORS = ("s3://absent?region=eu-central-1",)
    sign()
    anchors.deliver(AT)
    assert "NoSuchBucket" in anchors.states()[0].error


def test_an_object_store_without_its_library_says_which(settings, monkeypatch):
    from chancery.net import objects

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(objects, "import_module", missing)
    settings.AUDIT_ANCHORS = ("s3://proof",)
    sign()
    anchors.deliver(AT)
    assert "boto3" in Anchor.objects.get().error


GOOD = "file:///var/log/x syslog:///dev/log syslog+udp://log.example syslog+tcp://[::1]:601 s3://b/p?retain_days=3"


def test_places_are_read_from_one_setting():
    assert environment.anchors("X", f" {GOOD} {GOOD} ") == tuple(GOOD.split())
    assert environment.anchors("X", "") == ()


@pytest.mark.parametrize(
    "text",
    ["file:", "/var/log/x", "http://a/b", "syslog+udp://", "syslog+tcp://h:0", "syslog+tcp://h:x", "s3://", "s3://u:p@b",
     "s3://b?retain_days=x", "s3://b?retain_days=999999", "file:///" + "x" * 300],
)  # fmt: skip
def test_what_is_no_place_stops_the_start_with_the_settings_name(text):
    with pytest.raises(SystemExit, match="CHANCERY_AUDIT_ANCHORS"):
        environment.anchors("CHANCERY_AUDIT_ANCHORS", text)
