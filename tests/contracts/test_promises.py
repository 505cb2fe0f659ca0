"""The page of promises is what the results say, and each result can be repeated."""

import json
import re
import runpy
import shlex

import pytest

from tests.contracts.tree import ROOT

MADE = runpy.run_path(str(ROOT / "scripts" / "promises.py"), run_name="promises")
FOUND = MADE["results"]()


def test_the_page_is_what_the_results_say():
    assert MADE["PAGE"].read_text(encoding="utf-8") == MADE["page"](), "run .venv/bin/python scripts/promises.py"


def test_there_is_a_row_for_each_promise_and_one_without_a_result_says_so():
    assert list(MADE["PROMISES"]) == [f"R{n}" for n in range(1, 51)]
    rows = {m[1]: m[0] for m in re.finditer(r"^\| (R\d+) \|.*\*not shown\*.*$", MADE["page"](), re.MULTILINE)}
    assert set(rows) == set(MADE["PROMISES"]) - {one["row"] for one in FOUND.values()}


@pytest.mark.parametrize("row", sorted(FOUND))
def test_a_result_names_a_command_that_exists(row):
    words = shlex.split(FOUND[row]["command"])
    if words[:2] == ["bash", "scripts/with-postgres.sh"]:
        words = words[2:]
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[0] == ".venv/bin/pytest":
        path, *names = words[-1].split("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert all(re.search(rf"^ *(?:def|class) {name}\b", text, re.MULTILINE) for name in names)
    else:
        assert words[:3] == [".venv/bin/python", "-m", "bench"]
        assert (ROOT / "bench" / f"{words[3]}.py").exists()


def test_a_row_may_be_filled_by_several_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(MADE["results"].__globals__, "FOLDER", tmp_path)
    (tmp_path / "results").mkdir()
    for part in ("one", "two"):
        made = dict.fromkeys(MADE["KEYS"], part) | {"row": "R7", "figure": 0}
        (tmp_path / "results" / f"R7-{part}.json").write_text(json.dumps(made))
    page = MADE["page"]()
    assert "for 1 000 orders | 0 one; 0 two |" in page
    assert page.count("\n| R7 |") == 3


def test_a_file_that_is_no_result_stops_the_page(tmp_path, monkeypatch):
    monkeypatch.setitem(MADE["results"].__globals__, "FOLDER", tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "R3.json").write_text('{"row": "R3", "figure": 0}')
    with pytest.raises(ValueError, match=r"R3\.json is no result"):
        MADE["results"]()
