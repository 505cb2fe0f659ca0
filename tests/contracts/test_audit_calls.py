"""Each audit call of an action is missed by a test where it is taken away."""

import json
import subprocess
import sys

import pytest

from tests.contracts.tree import ROOT
from tests.muting import APPS, calls

WHERE = (
    "src/chancery/apps", "src/chancery/engine/tests", "src/chancery/doors", "tests/journeys/test_pools.py",
    "tests/journeys/test_adcs.py",
)  # fmt: skip


def test_each_room_with_actions_has_such_calls():
    rooms = {path.parent.name for path in APPS.glob("*/actions.py")}
    assert rooms
    assert rooms == {place.split("/")[3] for place in calls()} & rooms


@pytest.mark.long
def test_each_call_is_missed_when_it_is_taken_away(tmp_path, result):
    file = tmp_path / "muted.json"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.muting", "--muted", str(file), *WHERE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * 3600, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    found = json.loads(file.read_text(encoding="utf-8"))
    assert found["by_nobody"] == []
    unit = (
        f"audit calls of actions whose absence no test notices, of {len(found['calls'])} that were taken away one at a time;"
        " an action without an entry does not happen at all"
    )
    result("R39", len(found["by_nobody"]), unit)
