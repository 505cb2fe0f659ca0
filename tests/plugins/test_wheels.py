"""What the wheels hold, and that their author needs nothing but Chancery to try them."""

import os
import subprocess
import sys
import textwrap
import zipfile

from tests.browser.stand import ROOT
from tests.plugins import wheel
from tests.plugins.stand import OFFERS, PACKAGES, installed


def test_the_author_runs_the_suite_with_nothing_but_chancery(tmp_path):
    """Outside this tree: no fixture, no setting and no test of ours is in reach."""
    site = installed(tmp_path, {"borealis": OFFERS["borealis"]})
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "test_borealis.py").write_bytes((PACKAGES / "borealis" / "test_borealis.py").read_bytes())
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("CHANCERY_", "DJANGO_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir=.", "-p", "no:django", "-q", "test_borealis.py"],
        cwd=tmp_path / "own",
        env={**bare, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_the_wheel_is_one_and_says_what_is_in_it(tmp_path):
    path = wheel.build(PACKAGES / "raises", tmp_path, "raises_chancery", "1.4", {"raises": "raises_chancery:Raises"})
    with zipfile.ZipFile(path) as opened:
        names = set(opened.namelist())
        recorded = {line.split(",")[0] for line in opened.read("raises_chancery-1.4.dist-info/RECORD").decode().split()}
    assert recorded == names
    assert "raises_chancery.py" in names


def test_the_recipe_shows_what_the_author_of_the_package_wrote():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = textwrap.dedent(text.partition("```python\n")[2].partition("   ```")[0])
    assert "class TestBorealis(Conformance):" in shown
    assert shown in (PACKAGES / "borealis" / "test_borealis.py").read_text(encoding="utf-8")
