"""What the threat model claims has a test: each that it names is there, and each item of ASVS is claimed once."""

import re

from tests.contracts.tree import ROOT

PAGE = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")
CLAIMS = re.findall(r"^\| (\d+\.\d+\.\d+) \| .+ \| `([^`]+)` \|$", PAGE, re.MULTILINE)
HOMES = ("", "src/chancery/", "src/chancery/apps/audit/tests/")
"""What the shorter names of the rows above the table are below."""


def defines(path, name):
    return re.search(rf"^ *def {name}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_each_claimed_item_has_a_test_that_exists():
    assert len(CLAIMS) > 40
    missing = [(item, shown) for item, shown in CLAIMS if not defines(*shown.split("::"))]
    assert missing == []


def test_each_item_is_claimed_once_and_in_order():
    items = [tuple(map(int, item.split("."))) for item, _ in CLAIMS]
    assert items == sorted(set(items))
    after = PAGE.partition("## What is claimed of OWASP ASVS")[2]
    assert len(re.findall(r"^\| \d", after, re.MULTILINE)) == len(CLAIMS), (
        "a row that cannot be read claims something without a test"
    )


def test_each_file_of_tests_that_the_page_names_is_there():
    named = set(re.findall(r"`([\w/]+/test_\w+\.py)", PAGE))
    assert named
    assert [path for path in sorted(named) if not any((ROOT / home / path).exists() for home in HOMES)] == []
