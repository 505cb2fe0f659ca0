"""Every setting is documented, typed, and refused by name when it cannot be read."""

import re
import stat
import threading
from dataclasses import fields
from pathlib import Path

import pytest

from chancery.settings.environment import DOCS, Environment, database, reference, secret_key
from chancery.settings.languages import language
from tests.contracts.tree import ROOT, SOURCE, modules


def test_the_page_is_what_the_code_says():
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    assert page == reference(), "run make docs"


def test_every_setting_has_its_documentation_and_no_other():
    assert set(DOCS) == {f.name for f in fields(Environment)}


def test_nothing_else_reads_a_setting_of_its_own():
    client = {"CHANCERY_URL", "CHANCERY_TOKEN", "CHANCERY_TOKEN_FILE"}  # of whoever calls the REST commands
    known = {f"CHANCERY_{f.name.upper()}" for f in fields(Environment)} | client
    for path in modules():
        used = set(re.findall(r'"(CHANCERY_[A-Z_]+)"', (SOURCE / path).read_text(encoding="utf-8")))
        assert used <= known, path


def test_defaults_need_nothing():
    assert Environment.read({}) == Environment()
    assert Environment.read({"CHANCERY_LISTEN": ""}) == Environment()


def test_values_are_converted():
    given = {"CHANCERY_HOME": "/srv/c", "CHANCERY_SECURE_COOKIES": "Yes", "CHANCERY_CSR_MAX_NAMES": "7"}
    read = Environment.read(given)
    assert (read.home, read.secure_cookies, read.csr_max_names) == (Path("/srv/c"), True, 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHANCERY_SECURE_COOKIES", "perhaps"),
        ("CHANCERY_CSR_MAX_BYTES", "-1"),
        ("CHANCERY_CSR_MAX_BYTES", "٣"),
        ("CHANCERY_TIME_ZONE", "Mars/Olympus"),
        ("CHANCERY_TIME_ZONE", "Europe"),
        ("CHANCERY_TIME_ZONE", "../../etc/passwd"),
        ("CHANCERY_LOG_LEVEL", "loud"),
    ],
)
def test_a_malformed_value_stops_the_start_with_its_name(name, value):
    with pytest.raises(SystemExit, match=name):
        Environment.read({name: value})


def test_a_language_may_have_a_region_and_must_be_one():
    for code in ("en", "de", "pt-br", "de-AT", "zh-hans"):
        assert language("CHANCERY_LANGUAGE", code) == code
    for code in ("xx", "de_DE"):
        with pytest.raises(SystemExit, match="CHANCERY_LANGUAGE"):
            language("CHANCERY_LANGUAGE", code)


def test_a_time_zone_and_a_level_that_there_are():
    read = Environment.read({"CHANCERY_TIME_ZONE": "Europe/Berlin", "CHANCERY_LOG_LEVEL": "ERROR"})
    assert (read.time_zone, read.log_level) == ("Europe/Berlin", "ERROR")


def test_database_of_the_home_by_default():
    entry = database("", Path("/srv/c"))
    assert entry["NAME"] == Path("/srv/c/chancery.sqlite3")
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "synchronous=FULL" in entry["OPTIONS"]["init_command"]


def test_database_by_url():
    entry = database("postgresql://al%40ice:p%2Fw@db.example:5433/cha%20n", Path("/srv/c"))
    assert [entry[k] for k in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "cha n", "al@ice", "p/w", "db.example", "5433",
    ]  # fmt: skip


def test_database_over_a_unix_socket():
    entry = database("postgresql://chancery@/chancery?host=/run/pg", Path("/srv/c"))
    assert (entry["HOST"], entry["PORT"], entry["USER"]) == ("/run/pg", "", "chancery")


def test_another_database_is_refused_without_its_password():
    with pytest.raises(SystemExit, match="mysql") as refused:
        database("mysql://a:hunter2@b/c", Path("/srv/c"))
    assert "hunter2" not in str(refused.value)


def test_the_secret_key_is_made_once_and_private(tmp_path):
    home = tmp_path / "home"
    first = secret_key(home)
    assert secret_key(home) == first
    assert len(first) >= 50
    assert stat.S_IMODE((home / "secret-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == ["secret-key"]


def test_whoever_only_looks_makes_no_secret_key(tmp_path):
    home = tmp_path / "home"
    assert len(secret_key(home, make=False)) >= 50
    assert not home.exists()
    made = secret_key(home)
    assert secret_key(home, make=False) == made


def test_processes_that_start_together_share_one_secret_key(tmp_path):
    together = threading.Barrier(8)
    found = []

    def start():
        together.wait(10)
        found.append(secret_key(tmp_path / "home"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(found[0]) >= 50
