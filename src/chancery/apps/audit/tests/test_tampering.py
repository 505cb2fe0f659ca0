"""Whoever rewrites the record is found, and the first bad entry is named: on the host, and by the program alone."""

import io
import json
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chancery.apps.audit import anchors, checking, keeping, proofs, queries, sequencer, signing, verify_audit
from chancery.apps.audit.models import Checkpoint, Entry, Log, Tile
from chancery.apps.audit.record import Note, write
from chancery.apps.shared.actor import Actor, engine_actor, host_actor
from chancery.core import merkle, note
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted, Unavailable

pytestmark = pytest.mark.django_db
AT = datetime(2030, 1, 2, tzinfo=UTC)
HOST = host_actor("tester")
PAT = Actor("Pät", 7, "password", "2001:db8::1")


@pytest.fixture(autouse=True)
def anchor(tmp_path, settings):
    settings.AUDIT_KEY_FILE = tmp_path / "audit-key"
    path = tmp_path / "outside"
    settings.AUDIT_ANCHORS = (path.as_uri(),)
    return path


def sealed(*sizes, anchored=True):
    """Write entries until each size is reached and signed."""
    for size in sizes:
        write(PAT, "tests.add", AT, [Note("order", str(n)) for n in range(size - Entry.objects.count())])
        while sequencer.sequence():
            pass
        assert sequencer.checkpoint(AT).size == size
        if anchored:
            anchors.deliver(AT)


def packed(tmp_path):
    path = tmp_path / "record.tar"
    path.write_bytes(b"".join(proofs.archive(HOST)))
    return path


def alone(capsys, *given):
    """Run the program; returns its exit status and what it said."""
    with pytest.raises(SystemExit) as ended:
        verify_audit.main([str(part) for part in given])
    return ended.value.code, capsys.readouterr().out


def at(index):
    return Entry.objects.get(tree_index=index)


def edit(index=7):
    row = at(index)
    row.body = bytes(row.body).replace(b"tests.add", b"tests.bad")
    row.save()


def delete(index=7):
    at(index).delete()


def insert(index=7):
    """Make room in the middle, as somebody who rewrites all indexes would."""
    moved = list(Entry.objects.filter(tree_index__gte=index).order_by("-tree_index"))
    for row in moved:
        row.tree_index += 1
        row.save()
    twin = at(index - 1)
    twin.pk, twin.tree_index = twin.pk.__class__(int=1), index
    twin.save(force_insert=True)


def swap(index=7):
    one, two = at(index), at(index + 1)
    one.body, two.body = two.body, one.body
    one.save()
    two.save()


REWRITES = [edit, delete, insert, swap]


def test_a_record_nobody_touched_is_well(anchor, tmp_path, capsys):
    sealed(5, 10, 300)
    found = checking.verify()
    assert (found.problems, found.entries, found.checkpoints, found.outside) == ([], 300, 3, 3)
    code, said = alone(capsys, packed(tmp_path), "--key", Log.objects.get().key, "--checkpoints", anchor)
    assert (code, said) == (
        0,
        "OK: 300 entries, 3 checkpoints and 3 from elsewhere agree. The key was given.\n",
    )


@pytest.mark.parametrize("rewrite", REWRITES)
def test_the_first_bad_entry_is_named(rewrite, tmp_path, capsys):
    sealed(5, 10, 300)
    rewrite()
    assert checking.verify().problems[0].startswith("Entry 7 ")
    code, said = alone(capsys, packed(tmp_path))
    assert (code, said) == (
        1,
        "BAD: entry 7 is not the one that was recorded (all is well up to the checkpoint of size 5)\n",
    )


@pytest.mark.parametrize("rewrite", REWRITES)
def test_whoever_rewrites_the_tree_too_is_found_by_what_was_signed(rewrite, tmp_path, capsys):
    sealed(5, 10, 300)
    rewrite()
    Tile.objects.all().delete()
    tree = sequencer.Tree(0)
    tree.append([merkle.leaf(bytes(b)) for b in Entry.objects.order_by("tree_index").values_list("body", flat=True)])
    tree.save()
    assert any("from 5 to 9" in text or "Entry 7 is missing" in text for text in checking.verify().problems)
    code, said = alone(capsys, packed(tmp_path))
    assert (code, said) == (1, "BAD: an entry from 5 to 9 is not the one that was recorded\n")


def cut(size):
    Entry.objects.filter(tree_index__gte=size).delete()
    Checkpoint.objects.filter(size__gt=size).delete()
    Log.objects.update(size=size)


def test_a_tail_that_was_cut_off_is_missed_by_what_was_kept_outside(anchor, tmp_path, capsys):
    sealed(5, 10)
    cut(5)
    assert checking.verify().problems == [
        f"Entry 5 is missing, and all after it: the checkpoint of size 10 in {anchor} says so."
    ]
    path = packed(tmp_path)
    assert alone(capsys, path)[0] == 0, "the archive by itself is a record of five"
    code, said = alone(capsys, path, "--checkpoints", anchor)
    assert (code, said) == (1, "BAD: entry 5 is missing: a checkpoint says that there were 10\n")


def test_entries_that_were_cut_off_without_their_checkpoints_are_missed(tmp_path, capsys):
    sealed(5, 10)
    Entry.objects.filter(tree_index__gte=8).delete()
    assert checking.verify().problems == ["Entry 8 is missing, and all after it: there were 10."]
    assert "BAD: entry 8 is not the one" in alone(capsys, packed(tmp_path))[1]


def test_nothing_is_signed_over_a_record_smaller_than_its_anchor():
    sealed(5, 10)
    cut(5)
    write(PAT, "tests.add", AT, [Note("order", "1")])
    sequencer.sequence()
    with pytest.raises(Unavailable, match="has a checkpoint of 10") as refused:
        sequencer.checkpoint(AT)
    assert "chancery audit restored" in refused.value.remedy
    keeping.restored(HOST)
    sequencer.sequence()
    assert sequencer.checkpoint(AT).size == 7


def forge(size, root, key=None):
    """Return a checkpoint that the record's own key, or another, signs."""
    about = Log.objects.get()
    signer = signing.signer(about) if key is None else note.Signer(about.name, key)
    return note.sign(note.Checkpoint(about.origin, size, root).text, [signer])


def test_a_fork_is_found(anchor, tmp_path, capsys):
    sealed(5, 10)
    with anchor.open("a") as file:
        file.write(forge(10, bytes(32)) + "\n")
    assert checking.verify().problems == [
        f"Entries from 10 to 9 are not what the checkpoint of size 10 in {anchor} says."
    ]
    assert "BAD: the log forked" in alone(capsys, packed(tmp_path), "--checkpoints", anchor)[1]
    Checkpoint.objects.create(size=10, at=AT, note=forge(10, bytes(32)))
    assert "BAD: the log forked" in alone(capsys, packed(tmp_path))[1]


def test_a_log_that_shrank_is_found(tmp_path, capsys):
    sealed(5, 10)
    Checkpoint.objects.create(size=5, at=AT, note=forge(5, sequencer.Tree(5).root()))
    assert "BAD: the log shrank" in alone(capsys, packed(tmp_path))[1]


def test_another_key_is_found_wherever_the_first_one_is_known(anchor, tmp_path, capsys):
    sealed(5, 10)
    first = Log.objects.get().key
    edit(2)
    tree = sequencer.Tree(0)
    tree.append([merkle.leaf(bytes(b)) for b in Entry.objects.order_by("tree_index").values_list("body", flat=True)])
    Tile.objects.all().delete()
    tree.save()
    theirs = Ed25519PrivateKey.generate()
    for made in Checkpoint.objects.all():
        made.note = forge(made.size, sequencer.Tree(made.size).root(), theirs)
        made.save()
    name = Log.objects.get().name
    text = note.Signer(name, theirs).key.text
    Log.objects.update(key=text, keys=[text])
    assert checking.verify().problems[0].startswith("No key of this record signed the checkpoint of size 5 in ")
    assert checking.verify(keys=[first]).problems[0] == "No key of this record signed the checkpoint of size 5."
    path = packed(tmp_path)
    assert alone(capsys, path)[0] == 0, "by itself it is a record like any other"
    assert "no key that is believed signed checkpoint 0" in alone(capsys, path, "--key", first)[1]
    assert "from elsewhere (size 5)" in alone(capsys, path, "--checkpoints", anchor)[1]


def test_another_key_that_the_old_one_named_is_believed_from_there_on(tmp_path, capsys, settings):
    sealed(5)
    first = Log.objects.get().key
    before = signing.signer(Log.objects.get())
    keeping.new_key(HOST)
    sealed(10)
    assert Log.objects.get().key != first == Log.objects.get().keys[0]
    assert checking.verify(keys=[first]).problems == []
    path = packed(tmp_path)
    assert alone(capsys, path, "--key", first)[0] == 0
    Checkpoint.objects.create(size=10, at=AT, note=forge(10, sequencer.Tree(10).root(), before.private))
    assert checking.verify().problems == ["No key of this record signed the checkpoint of size 10."], "it is retired"
    assert "signed checkpoint 3" in alone(capsys, packed(tmp_path), "--key", first)[1]


def test_a_next_key_that_did_not_sign_itself_is_not_believed(tmp_path, capsys):
    sealed(5)
    about = Log.objects.get()
    other = note.Signer(about.name, Ed25519PrivateKey.generate())
    said = note.Checkpoint(about.origin, 5, sequencer.Tree(5).root(), other.key.text)
    Checkpoint.objects.create(size=5, at=AT, note=note.sign(said.text, [signing.signer(about)]))
    assert "names a next key that did not sign it" in alone(capsys, packed(tmp_path))[1]
    assert checking.verify().problems == ["The checkpoint of size 5 names a next key that did not sign it."]


def test_a_lost_key_is_followed_by_one_that_must_be_told(tmp_path, capsys, settings):
    sealed(5)
    before = signing.signer(Log.objects.get())
    settings.AUDIT_KEY_FILE.unlink()
    with pytest.raises(Unavailable):
        keeping.new_key(HOST)
    keeping.new_key(HOST, lost=True)
    assert len(Log.objects.get().keys) == 2
    assert checking.verify().problems == []
    path = packed(tmp_path)
    assert alone(capsys, path)[0] == 0
    assert alone(capsys, path, "--key", Log.objects.get().keys[0])[0] == 1
    assert list(Entry.objects.filter(action="audit.new_key").values_list("actor", flat=True)) == ["os:tester"]
    size = Log.objects.get().size
    text = forge(size, sequencer.Tree(size).root(), before.private)
    Checkpoint.objects.create(size=size, at=AT, note=text)
    assert checking.verify().problems == [f"No key of this record signed the checkpoint of size {size}."]
    assert "no key that is believed signed checkpoint 2" in alone(capsys, packed(tmp_path))[1], (
        "whoever found it signs nothing"
    )


def test_a_change_of_keys_that_was_broken_off_is_finished(settings, monkeypatch):
    sealed(5)
    old = settings.AUDIT_KEY_FILE.read_bytes()
    keeping.new_key(HOST)
    new = settings.AUDIT_KEY_FILE.read_bytes()
    waiting = signing.next_file(settings.AUDIT_KEY_FILE)
    settings.AUDIT_KEY_FILE.write_bytes(old)
    waiting.write_bytes(signing.fresh())
    with pytest.raises(Unavailable, match="not the one that signs"):
        signing.signer(Log.objects.get())
    waiting.write_bytes(new)
    assert signing.signer(Log.objects.get()).key.text == Log.objects.get().key
    assert (settings.AUDIT_KEY_FILE.read_bytes(), waiting.exists()) == (new, False)
    monkeypatch.setattr(sequencer, "turn", lambda *_: None)
    with pytest.raises(Unavailable, match="the old one stays"):
        keeping.new_key(HOST)
    assert settings.AUDIT_KEY_FILE.read_bytes() == new


@pytest.mark.parametrize(
    ("column", "value"),
    [("action", "tests.other"), ("at", AT + timedelta(1)), ("target_id", "x"), ("refusal", "in_use"),
     ("actor", "mallory"), ("address", "192.0.2.1"), ("subject", "mallory")],
)  # fmt: skip
def test_what_stands_beside_the_bytes_is_compared_with_them(column, value):
    sealed(5)
    Entry.objects.filter(tree_index=3).update(**{column: value})
    (problem,) = checking.verify().problems
    assert problem.startswith(f"Entry 3 ({at(3).pk}): the column {'actor' if column == 'address' else column} ")


def test_the_engine_is_not_somebody_else():
    write(engine_actor(), "tests.engine", AT, [Note("order", "1")])
    sequencer.sequence()
    assert checking.verify().problems == []
    Entry.objects.update(actor="mallory")
    assert "the column actor is not what its bytes say" in checking.verify().problems[0]


def test_a_person_is_erased_and_everything_still_agrees(anchor, tmp_path, capsys):
    write(PAT, "tests.person", AT, [Note("user", "9", "grace"), Note("order", "1")])
    write(Actor("grace", 9, "password", "192.0.2.9"), "tests.own", AT + timedelta(hours=1), [Note("user", "7", "Pät")])
    sealed(5)
    before = [bytes(b) for b in Entry.objects.order_by("tree_index").values_list("body", flat=True)]
    assert keeping.forget(HOST, "grace", until=AT) == 1
    assert set(Entry.objects.values_list("actor", flat=True)) == {"Pät", "grace", "os:tester"}
    assert keeping.forget(HOST, "Pät") == 5
    while sequencer.sequence():
        pass
    found = checking.verify()
    assert (found.problems, found.erased) == ([], 6)
    after = [bytes(b) for b in Entry.objects.order_by("tree_index").values_list("body", flat=True)]
    assert after[:5] == before
    assert not Entry.objects.filter(actor="Pät").exists()
    (kept,) = Entry.objects.filter(actor="grace")
    assert (bytes(kept.salt).strip(b"\0") != b"", kept.subject) == (True, "")
    assert alone(capsys, packed(tmp_path), "--checkpoints", anchor)[0] == 0
    Entry.objects.filter(tree_index=1).update(actor="mallory")
    assert "written after it had been erased" in checking.verify().problems[0]
    with pytest.raises(Conflict):
        keeping.forget(HOST, "engine")


def test_entries_of_earlier_versions_have_no_seals_to_compare():
    from chancery.core.ids import new_id

    ident = new_id(AT)
    said = {
        "action": "tests.old", "actor": {"how": "password", "id": 7}, "at": AT.isoformat(timespec="microseconds"),
        "changed": [], "detail": {}, "id": str(ident), "outcome": "refused", "reason": "in_use",
        "target": {"id": "9", "kind": "user"}, "v": 2, "via": "console",
    }  # fmt: skip
    columns = {"action": "tests.old", "target_kind": "user", "target_id": "9", "subject": "grace", "refusal": "in_use"}
    Entry.objects.create(id=ident, at=AT, actor="Pät", body=json.dumps(said).encode(), **columns)
    sequencer.sequence()
    assert checking.verify().problems == []


def test_bytes_that_are_no_entry_are_told(anchor):
    sealed(2)
    Entry.objects.filter(tree_index=1).update(body=b"{}")
    assert checking.verify().problems[1].endswith("its bytes are no entry.")


def test_an_entry_beside_the_tree_and_odd_checkpoints_are_told(anchor):
    sealed(2)
    Entry.objects.filter(tree_index=1).update(tree_index=5)
    Checkpoint.objects.create(size=2, at=AT, note="nonsense")
    with anchor.open("a") as file:
        file.write("nonsense\n")
    found = checking.verify(files=[anchor.with_name("absent")]).problems
    assert "The checkpoint of size 2 cannot be read: a line under the note is no signature." in found
    assert f"{anchor} holds something that is no checkpoint: 'nonsense\\n'." in found
    assert f"{anchor.with_name('absent')} cannot be read: No such file or directory." in found
    assert any(text.endswith("stands at 5, outside the tree.") for text in found)


def test_a_long_list_of_faults_is_cut():
    sealed(30)
    Entry.objects.update(refusal="x")
    assert len(checking.verify(most=4).problems) == 4


def test_the_proof_of_one_entry_stands_alone(cast, tmp_path, capsys):
    sealed(300)
    row = at(123)
    proof = proofs.of_entry(cast.dan, row.pk)
    assert merkle.included(
        merkle.leaf(bytes(row.body)), 123, proof.size, proof.hashes, sequencer.Tree(proof.size).root()
    )
    file, entry = tmp_path / "one.tlog-proof", tmp_path / "entry.json"
    file.write_text(proof.text)
    entry.write_bytes(bytes(row.body) + b"\n")
    key = Log.objects.get().key
    assert alone(capsys, "--proof", file, "--entry", entry, "--key", key)[0] == 0
    entry.write_bytes(bytes(at(124).body))
    assert "entry 123 is not the one" in alone(capsys, "--proof", file, "--entry", entry, "--key", key)[1]
    head, _, below = proof.text.partition("\n\n")
    lines = head.split("\n")
    for odd, text in (
        ("\n".join(lines[:-1]), "too short"),
        ("\n".join([*lines, lines[-1]]), "too long"),
        ("x", "no proof"),
    ):
        file.write_text(f"{odd}\n\n{below}")
        assert text in alone(capsys, "--proof", file, "--entry", entry, "--key", key)[1]
    file.write_text(proof.text)
    other = note.Signer("x", Ed25519PrivateKey.generate()).key.text
    assert "signed the proof" in alone(capsys, "--proof", file, "--entry", entry, "--key", other)[1]
    with pytest.raises(Absent):
        proofs.of_entry(cast.dan, "no id")


def test_what_is_not_sealed_yet_has_no_proof(cast):
    write(PAT, "tests.add", AT, [Note("order", "1")])
    for doing in (lambda: proofs.of_entry(cast.dan, Entry.objects.latest("id").pk), lambda: proofs.archive(cast.dan)):
        with pytest.raises(Unavailable) as refused:
            doing()
        assert refused.value.code == "not_sealed"


def test_growth_is_proven(cast):
    sealed(300)
    tree = sequencer.Tree(300)
    found = proofs.of_growth(cast.dan, 7, 300)
    assert merkle.consistent(7, 300, sequencer.Tree(7).root(), tree.root(), found)
    for old, new in ((0, 3), (4, 3), (1, 301)):
        with pytest.raises(Invalid):
            proofs.of_growth(cast.dan, old, new)


def test_who_sees_which_of_it(cast):
    sealed(20)
    row = at(1)
    for doing in (
        lambda a: proofs.standing(a),
        lambda a: proofs.of_growth(a, 1, 2),
        lambda a: proofs.of_entry(a, row.pk),
    ):
        doing(cast.dan)
        with pytest.raises(NotPermitted):
            doing(cast.rob)
    for nobody in (cast.rob, cast.amy):
        with pytest.raises(NotPermitted):
            proofs.archive(nobody)


def test_how_it_stands(cast):
    sealed(30)
    write(PAT, "tests.add", AT, [Note("order", "1")])
    found = proofs.standing(cast.dan)
    assert (found["entries"], found["waiting"], found["anchors"][0].size) == (30, 1, 30)
    assert found["note"] == Checkpoint.objects.get().note


def test_the_archive_is_a_plain_tar_file_and_its_program_runs_on_its_own(tmp_path):
    sealed(257)
    with tarfile.open(fileobj=io.BytesIO(b"".join(proofs.archive(HOST)))) as tar:
        tar.extractall(tmp_path / "out")
    names = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert names == [
        "README", "checkpoint", "checkpoints", "keys", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1",
        "tile/entries/000", "tile/entries/001.p/1", "verify_audit.py",
    ]  # fmt: skip
    # -I and -S: nothing of ours, nothing of anybody's can be imported.
    command = [sys.executable, "-I", "-S", "verify_audit.py", "."]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout[:16], done.stderr) == (0, "OK: 257 entries,", "")


def test_an_archives_own_hash_that_is_wrong_is_told(tmp_path, capsys):
    sealed(5)
    tile = Tile.objects.get()
    tile.hashes = bytes(32) + bytes(tile.hashes)[32:]
    tile.save()
    assert "own hash of entry 0 is wrong" in alone(capsys, packed(tmp_path))[1]


def test_odd_archives(tmp_path, capsys):
    assert alone(capsys, tmp_path / "absent")[0] == 2
    assert "no checkpoint" in alone(capsys, tmp_path)[1]
    (tmp_path / "checkpoints").write_text("nonsense\n")
    assert "cannot be read" in alone(capsys, tmp_path)[1]
    with pytest.raises(SystemExit):
        verify_audit.main([])
    sealed(2)
    path = packed(tmp_path)
    for odd in ("x", "a+b+AAAA", "a+00000000+!"):
        assert alone(capsys, path, "--key", odd)[0] == 1


def test_checkpoints_are_read_from_lines_of_syslog_too(tmp_path, capsys):
    sealed(2)
    lines = tmp_path / "syslog"
    line = json.dumps({anchors.MARK: Checkpoint.objects.get().note}, ensure_ascii=False)
    lines.write_text(f"Jan  2 00:00:00 host chancery[1]: {line}\n")
    assert "1 from elsewhere" in alone(capsys, packed(tmp_path), "--checkpoints", lines)[1]


@pytest.mark.parametrize(
    "line",
    [
        '{"chancery_checkpoint": 5}',
        '{"chancery_checkpoint": oh}',
        "a\n²\nQUJD\n\n— a QUJD",
        f"a\n{'9' * 5000}\nQUJD\n\n— a QUJD",
    ],
)
def test_what_somebody_wrote_among_checkpoints_is_told_of_and_no_fault_of_the_program(tmp_path, capsys, line):
    sealed(5)
    kept = tmp_path / "kept"
    kept.write_text(f"{line}\n", encoding="utf-8")
    status, said = alone(capsys, packed(tmp_path), "--checkpoints", str(kept))
    assert (status, said[:4]) == (1, "BAD:")
    assert "cannot be read" in said


def test_signatures_of_the_program_are_those_of_the_library():
    for n in range(8):
        key = Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)
        public, text = key.public_key().public_bytes_raw(), bytes([n]) * n
        good = key.sign(text)
        assert verify_audit.signed(public, good, text)
        assert not verify_audit.signed(public, good, text + b"x")
        assert not verify_audit.signed(public, good[:32] + bytes([good[32] ^ 1]) + good[33:], text)
    assert not verify_audit.signed(public, good[:32] + (verify_audit.Q + 1).to_bytes(32, "little"), text)
    assert not verify_audit.signed(public[:31], good, text)
    assert not verify_audit.signed(b"\x02" + bytes(31), good, text), "not on the curve"


def test_proofs_of_the_program_are_those_of_the_tree():
    leaves = [merkle.leaf(bytes([n])) for n in range(20)]
    for size in range(1, 21):
        tree = sequencer.Tree(0)
        tree.append(leaves[:size])
        for index in range(size):
            proof = merkle.inclusion(tree.get, index, size)
            assert verify_audit.climb(leaves[index], index, size, proof) == tree.root()


def test_tiles_beyond_a_thousand_have_folders():
    assert proofs._name("entries", 1_234_067, 1_234_067 * 256 + 256) == "tile/entries/x001/x234/067"
    archive = verify_audit.Archive.__new__(verify_audit.Archive)
    asked = []
    archive.read = lambda name: asked.append(name) or b""
    archive.tile("0", 1_234_067, 1_234_067 * 256 + 3)
    assert asked == ["tile/0/x001/x234/067.p/3"]


def test_the_program_imports_the_standard_library_alone_in_the_syntax_of_an_older_python():
    import ast

    tree = ast.parse(proofs.program(), feature_version=(3, 9))
    names = {n.module if isinstance(n, ast.ImportFrom) else a.name for n in ast.walk(tree)
             if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}  # fmt: skip
    assert names <= sys.stdlib_module_names


def test_nothing_else_is_shown_of_an_entry(cast):
    sealed(20)
    assert "seal" not in json.dumps(queries.content(at(0)))
