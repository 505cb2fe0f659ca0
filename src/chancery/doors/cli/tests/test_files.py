"""Files of whoever runs the command: what is had only once is not asked for before its file can be made."""

import pytest

from chancery.doors.cli import access, files
from chancery.doors.cli.output import Exit


class Asked:
    """A server that notes what it is asked."""

    def __init__(self):
        self.calls = []

    def call(self, method, path, body=None):
        self.calls.append((method, path))
        return {"name": "ci", "token": "chy_secret"}


@pytest.fixture
def server(monkeypatch):
    found = Asked()
    monkeypatch.setattr(access, "Rest", lambda: found)
    return found


@pytest.mark.parametrize("name", ["a" * 300, "nowhere/token", "there"])
def test_no_token_is_made_whose_file_cannot_be(server, tmp_path, monkeypatch, name, capsys):
    (tmp_path / "there").write_text("mine")
    with pytest.raises(SystemExit) as caught:
        access.tokens_create("ci", out=tmp_path / name)
    assert caught.value.code == Exit.USAGE
    assert "--out" in capsys.readouterr().err
    assert server.calls == []
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_takes_no_files_is_found_out_before(server, tmp_path, monkeypatch):
    def denied(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.os, "open", denied)
    with pytest.raises(SystemExit):
        access.tokens_create("ci", out=tmp_path / "token")
    assert server.calls == []


def test_a_token_is_written_where_it_was_wanted(server, tmp_path, capsys):
    access.tokens_create("ci", out=tmp_path / "token")
    assert (tmp_path / "token").read_text() == "chy_secret\n"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert "chy_secret" not in capsys.readouterr().out
