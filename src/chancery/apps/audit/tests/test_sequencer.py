"""The tree grows in order, whoever grows it; checkpoints are signed once, with one key."""

import stat
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from chancery.apps.audit import sequencer, signing
from chancery.apps.audit.models import Checkpoint, Entry, Log, Tile
from chancery.apps.audit.record import Note, write
from chancery.apps.audit.tree import WIDTH, Tree
from chancery.apps.shared.actor import engine_actor
from chancery.core import merkle, note
from chancery.core.errors import Unavailable

pytestmark = pytest.mark.django_db
AT = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def key(tmp_path, settings):
    settings.AUDIT_KEY_FILE = tmp_path / "audit-key"
    settings.AUDIT_ANCHORS = ()
    return settings.AUDIT_KEY_FILE


def add(number):
    write(engine_actor(), "tests.add", AT, [Note("order", str(n)) for n in range(number)])


def grow(number, batch=sequencer.BATCH):
    add(number)
    while sequencer.sequence(batch):
        pass


def bodies():
    return [bytes(b) for b in Entry.objects.order_by("tree_index").values_list("body", flat=True)]


def expected(size):
    frontier = merkle.Frontier()
    for body in bodies()[:size]:
        frontier.add(merkle.leaf(body))
    return frontier.root()


def test_entries_get_their_places_in_order_without_gaps():
    grow(10, batch=3)
    grow(3)
    rows = list(Entry.objects.order_by("tree_index").values_list("tree_index", "id"))
    assert [index for index, _ in rows] == list(range(13))
    assert [ident for _, ident in rows] == sorted(ident for _, ident in rows)
    assert (sequencer.waiting(), sequencer.sequence()) == (0, 0)
    assert Tree(13).root() == expected(13)


def test_tiles_fill_level_by_level_and_answer_for_every_size():
    grow(WIDTH * 2 + 5, batch=200)
    shapes = {(t.level, t.index): len(bytes(t.hashes)) // 32 for t in Tile.objects.all()}
    assert shapes == {(0, 0): 256, (0, 1): 256, (0, 2): 5, (1, 0): 2}
    for size in (1, 255, 256, 257, 511, 512, 517):
        assert Tree(size).root() == expected(size)


def test_a_whole_tile_of_tiles():
    tree = Tree(0)
    leaves = [merkle.leaf(n.to_bytes(3, "big")) for n in range(WIDTH * WIDTH + 1)]
    tree.append(leaves[:70])
    tree.append(leaves[70:])
    frontier = merkle.Frontier()
    for one in leaves:
        frontier.add(one)
    assert tree.root() == frontier.root()
    assert merkle.included(leaves[300], 300, tree.size, merkle.inclusion(tree.get, 300, tree.size), tree.root())


def test_a_batch_made_for_another_size_places_nothing(monkeypatch):
    grow(2)
    add(1)
    faster = signing.log

    def stale():
        about = faster()
        Log.objects.update(size=about.size + 1)
        return about

    monkeypatch.setattr(signing, "log", stale)
    assert sequencer.sequence() == 0
    assert sequencer.waiting() == 1


def test_entries_that_vanish_meanwhile_undo_the_whole_batch(monkeypatch):
    add(2)
    monkeypatch.setattr(sequencer.Tree, "append", lambda *_: Entry.objects.first().delete())
    with pytest.raises(Unavailable, match="vanished"):
        sequencer.sequence()
    assert (Log.objects.get().size, Entry.objects.filter(tree_index=None).count()) == (0, 1)


def test_a_checkpoint_says_size_and_root_and_is_signed_with_a_key_of_its_own(key):
    assert sequencer.checkpoint(AT) is None, "nothing is in the tree"
    grow(5)
    made = sequencer.checkpoint(AT)
    said = note.Checkpoint.parse(note.parse(made.note).text)
    assert (said.origin, said.size, said.root) == (Log.objects.get().name, 5, expected(5))
    assert note.VerifierKey.parse(Log.objects.get().key).signed(note.parse(made.note))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sequencer.checkpoint(AT) is None, "nothing is new"


def test_checkpoints_keep_their_distance():
    grow(1)
    sequencer.checkpoint(AT)
    grow(1)
    assert sequencer.checkpoint(AT + timedelta(seconds=9), timedelta(seconds=10)) is None
    assert sequencer.checkpoint(AT + timedelta(seconds=10), timedelta(seconds=10)).size == 2


def test_two_who_sign_at_once_sign_once(monkeypatch):
    grow(1)
    monkeypatch.setattr(sequencer.anchors, "refuse_older", lambda about: Log.objects.update(generation=2))
    assert sequencer.checkpoint(AT) is None
    assert not Checkpoint.objects.exists()


@pytest.mark.parametrize("spoil", ["remove", "another", "garbage", "rsa", "unreadable"])
def test_without_the_key_in_force_nothing_is_signed_and_no_key_is_made(key, spoil):
    grow(1)
    sequencer.checkpoint(AT)
    grow(1)
    key.unlink()
    if spoil == "another":
        key.write_bytes(signing.fresh())
    elif spoil == "garbage":
        key.write_text("no key")
    elif spoil == "rsa":
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric import ec

        made = ec.generate_private_key(ec.SECP256R1())
        key.write_bytes(made.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    elif spoil == "unreadable":
        key.mkdir()
    before = key.exists()
    with pytest.raises(Unavailable) as refused:
        sequencer.checkpoint(AT)
    assert refused.value.code in {"no_audit_key", "wrong_audit_key"}
    assert refused.value.remedy
    assert (Checkpoint.objects.count(), key.exists()) == (1, before)


def test_after_a_restore_the_origin_is_another():
    grow(1)
    first = note.Checkpoint.parse(note.parse(sequencer.checkpoint(AT).note).text)
    assert sequencer.restored() == f"{first.origin}/2"
    again = note.Checkpoint.parse(note.parse(sequencer.checkpoint(AT).note).text)
    assert (again.origin, again.size, again.root) == (f"{first.origin}/2", first.size, first.root)


def test_hashes_that_are_missing_are_named():
    grow(3)
    Tile.objects.all().delete()
    with pytest.raises(Unavailable, match="missing"):
        Tree(3).root()


def test_the_database_refuses_a_place_given_twice():
    from django.db import IntegrityError

    grow(2)
    with pytest.raises(IntegrityError):
        Entry.objects.update(tree_index=0)
    assert connection.vendor in {"sqlite", "postgresql"}
