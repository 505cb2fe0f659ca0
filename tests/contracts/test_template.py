"""The tables that tests copy: those of code as it was before do not pile up."""

from pathlib import Path

from tests import template


def test_only_the_tables_of_this_code_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(template, "_KEPT", tmp_path)
    monkeypatch.setattr(template, "_migrate", lambda **env: Path(env["CHANCERY_HOME"], "chancery.sqlite3").touch())
    for code in ("one", "two", "two", "three"):
        monkeypatch.setattr(template, "_code", lambda code=code: code)
        assert template.tables() == tmp_path / f"{code}.sqlite3"
        assert [path.stem for path in tmp_path.glob("*.sqlite3")] == [code]
