"""Each place that writes a file, on a disk that is full at once or after the first page: no half file, and then a whole one."""

import json
import stat
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chancery_bot.local import Local
from chancery_bot.run import Bot
from chancery_bot.state import State
from chancery_bot.wire import Host

from chancery.apps.audit import anchors
from chancery.apps.shared import keyfile
from chancery.doors.cli import archive, files
from chancery.sandbox.ledger import Ledger
from chancery.settings import environment
from tests.chaos import full_disk

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CONTENT = b"0123456789abcdef" * 1024
"""Four pages, so that a part of them fits where less is left."""
pytestmark = pytest.mark.skipif(bool(full_disk.missing()), reason=full_disk.missing() or "it may be mounted")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    made = full_disk.Disk(tmp_path_factory.mktemp("half") / "disk", 1)
    if made.refused:
        pytest.skip(f"no small file system here: {made.refused}")
    yield made
    made.close()


@pytest.fixture(params=[0, 2], ids=["full", "two pages left"])
def folder(disk, request):
    """A folder on the disk; what a test puts there is all there is."""
    made = disk.folder / uuid4().hex
    made.mkdir()
    made.joinpath("before").write_bytes(b"before")
    disk.fill(request.param)
    yield made
    disk.free()
    for path in made.rglob("*"):
        if path.is_file():
            path.unlink()


def there(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


WRITERS = {
    "key file": lambda folder: keyfile.make(folder / "new", CONTENT),
    "key file in the place of another": lambda folder: keyfile.replace(folder / "before", CONTENT),
    "file of a command": lambda folder: files.make(folder / "new", CONTENT, "--out"),
    "checkpoint outside": lambda folder: anchors._append(folder / "before", CONTENT.decode()),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_written_wholly_or_not_at_all(name, disk, folder):
    before = there(folder)
    with pytest.raises((OSError, SystemExit)):
        WRITERS[name](folder)
    assert there(folder) == before
    disk.free()
    WRITERS[name](folder)
    after = there(folder)
    assert any(content.rstrip(b"\n").endswith(CONTENT) for content in after.values())
    assert set(after) <= {"before", "new"}


def test_the_key_that_signs_cookies_is_whole_or_not_there(disk, folder, monkeypatch):
    monkeypatch.setattr(environment.secrets, "token_urlsafe", lambda _: CONTENT.decode())
    with pytest.raises(OSError, match="No space left"):
        environment.secret_key(folder)
    assert set(there(folder)) == {"before"}
    disk.free()
    assert environment.secret_key(folder) == CONTENT.decode()
    assert stat.S_IMODE((folder / "secret-key").stat().st_mode) == 0o600


def test_a_backup_is_whole_or_not_there(disk, folder, tmp_path):
    (tmp_path / "content").write_bytes(uuid4().bytes * 64 + CONTENT)
    parts = {"kek": tmp_path / "content"}

    def write():
        inside = folder / uuid4().hex
        inside.mkdir()
        archive.write(folder / "new", inside, parts, {})

    with suppress(OSError):
        write()
    # With a page to spare it is packed small enough.
    whole = (folder / "new").exists()
    disk.free()
    if not whole:
        write()
    read = tmp_path / "read"
    read.mkdir()
    assert archive.read(folder / "new", read)["format"] == archive.FORMAT


def test_the_ledger_of_a_simulated_ca_counts_on_and_writes_whole_lines(disk, folder):
    path = folder / "ledger"
    ledger = Ledger(path)
    for number in range(60):
        ledger.add(NOW, "order", order=str(number), reference="r", detail="d" * 200)
    assert len(ledger.lines()) == 60
    lines = path.read_text().splitlines() if path.exists() else []
    assert len([json.loads(line) for line in lines]) < 60
    disk.free()
    ledger.add(NOW, "order", order="last")
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == list(range(1, 62))


class Still:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


def test_a_bot_whose_disk_is_full_runs_on_and_tells_later(disk, folder):
    disk.free()
    state = State(folder)
    host = Host(hostname="h", os="o", machine="0" * 64, bot_version="1", kinds=[])
    bot = Bot(state, Local((), folder, {}), Still(), host=host)
    first = state.keep_key(uuid4(), b"first", target := uuid4())
    disk.fill()
    bot.log("info", "It begins.")
    for _ in range(3):
        assert bot.turn() == 0
    wanted = uuid4()
    with pytest.raises(OSError, match="No space left"):
        state.keep_key(wanted, b"second", target)
    assert [path.read_bytes() for path in (folder / "keys").glob("*.pem")] == [first]
    assert state.untold(9) == []
    disk.free()
    assert bot.turn() == 0
    said = state.untold(9)
    assert [record.number for record in said] == [1, 2, 3]
    assert said[0].text == "It begins."
    assert "No space left" in said[1].text
    # What ended the last turn is another reason, and told as that.
    assert "No space left" not in said[2].text
    assert state.keep_key(wanted, b"second", target) == b"second"
    assert json.loads((folder / "keys" / f"{target}.json").read_bytes())[-1] == str(wanted)
