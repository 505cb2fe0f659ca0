"""Where the demo lives: a folder of its own, closed to others."""

from pathlib import Path

from chancery.demo.run import own_home


def test_a_home_that_is_made_is_closed_to_others(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CHANCERY_HOME", raising=False)
    made = own_home()
    assert made == tmp_path / ".chancery-demo" == Path(made)
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_home_that_is_there_stays_as_somebody_made_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CHANCERY_HOME", str(tmp_path))
    before = tmp_path.stat().st_mode
    assert own_home() == tmp_path
    assert tmp_path.stat().st_mode == before
