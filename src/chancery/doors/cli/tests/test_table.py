"""Tables at the width of a terminal: no word is broken that fits, and what is left out is named."""

import pytest

from chancery.doors.cli import table
from chancery.doors.cli.output import plain, show

CONNECTORS = ("name", "authority", "base_url", "environment", "region", "status", "health", "queue", "last_issue")
LESS = ("region", "base_url", "queue", "environment")
IDS = ("019a0000-0000-7000-8000-000000000001", "7a241287bb0bcfdbc8bdc2ad44a8cccd")


def row(**more):
    usual = {
        "name": "DigiCert Europe", "authority": "digicert", "base_url": "https://www.digicert.com/services/v2",
        "environment": "Production", "region": "EU", "status": "active", "health": "login_refused", "queue": "10000+",
        "last_issue": "2026-11-26 10:30",
    }  # fmt: skip
    return {**usual, **more}


def drawn(rows, columns, width, less=()):
    found = table.fit(rows, columns, width, less)
    return list(table.lines(rows, found)), found.left


@pytest.mark.parametrize(("width", "left"), [(80, ("base_url", "region", "queue")), (120, ()), (200, ()), (60, LESS)])
def test_connectors_fit_by_leaving_out_what_matters_least(width, left):
    lines, gone = drawn([row()], CONNECTORS, width, LESS)
    assert max(map(len, lines)) <= width
    assert set(gone) == set(left)
    text = "\n".join(lines)
    for word in ("DigiCert", "digicert", "login_refused", "active", "2026-11-26 10:30"):
        assert word in text


def test_what_fits_is_one_line_and_what_does_not_is_broken_between_words():
    lines, _ = drawn([{"at": "2026-11-26 10:30", "text": "The CA asks for patience until noon."}], ("at", "text"), 40)
    assert lines == [
        "AT                TEXT",
        "2026-11-26 10:30  The CA asks for",
        "                  patience until noon.",
    ]


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("ident", IDS)
def test_an_id_stays_whole_and_a_long_name_is_broken_where_it_is_divided(width, ident):
    host = "a-host-with-quite-a-long-name.department.intranet.example.com"
    lines, _ = drawn([{"id": ident, "name": host}], ("id", "name"), width)
    assert lines[1].startswith(ident)
    parts = [line[len(ident) :].strip() for line in lines[1:]]
    assert "".join(parts) == host
    assert all(part[-1] in ".-" for part in parts[:-1])


def test_a_word_without_any_division_is_cut_at_the_width_of_its_column():
    assert table.wrapped("a" * 50, 20) == ["a" * 20, "a" * 20, "a" * 10]
    assert table.wrapped("", 20) == [""]
    assert table.wrapped("two words", 5) == ["two", "words"]


def test_lines_of_a_cell_stay_lines_and_the_longest_of_them_is_its_width():
    lines, _ = drawn([{"at": "now", "text": "No connection.\n→ Look."}], ("at", "text"), 40)
    assert lines == ["AT   TEXT", "now  No connection.", "     → Look."]


def test_wide_signs_count_as_two_cells():
    lines, _ = drawn([{"name": "証明書", "state": "ok"}], ("name", "state"), 40)
    assert lines == ["NAME    STATE", "証明書  ok"]


def test_the_first_two_columns_stay_however_narrow_it_is(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    show([row()], CONNECTORS, None, as_json=False, less=LESS)
    out, err = capsys.readouterr()
    assert "DigiCert" in out
    assert "digicert" in out
    assert (
        "Left out for want of room: BASE URL, ENVIRONMENT, REGION, HEALTH, QUEUE, LAST ISSUE (--json has all)." in err
    )


@pytest.mark.parametrize(
    "text", ["\x1b[31m", "\x9b31m", "\x9d0;title\x9c", "\x0e", "\r", "\x7f", "\u202e", "\u2066", "\ufeff", "\x85"]
)
def test_what_a_ca_says_neither_steers_the_terminal_nor_turns_the_line(text):
    left = plain(f"a{text}b\n\tc")
    assert (left[0], left[-4:], left.isascii()) == ("a", "b\n\tc", True)
    assert not any(sign in left for sign in "\x1b\x0e\r\x7f")
