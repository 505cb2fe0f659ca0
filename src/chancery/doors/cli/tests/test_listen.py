"""Where the server listens, as it is written."""

import pytest

from chancery.doors.cli.host import listened


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        (":8000", ("127.0.0.1", 8000)),
        ("8000", ("127.0.0.1", 8000)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),
    ],
)
def test_addresses(text, found):
    assert listened(text) == found


@pytest.mark.parametrize("text", ["nonsense", "127.0.0.1", "127.0.0.1:", ":0", ":65536", ":99999", ":-1", ":٣", ":1_0"])
def test_no_port(text):
    with pytest.raises(SystemExit, match="CHANCERY_LISTEN") as end:
        listened(text)
    assert "65535" in str(end.value)


def test_a_server_that_is_started_again_waits_for_what_the_killed_one_left(monkeypatch):
    from chancery.doors.cli import serving

    held = [("another program listens there already", "Stop it.")] * 2
    monkeypatch.setattr(serving.listening, "obstacle", lambda *where: held.pop() if held else None)
    assert serving._usable("127.0.0.1", 8140, 15.0) == "127.0.0.1"
    held += [("another program listens there already", "Stop it.")] * 2
    with pytest.raises(SystemExit):
        serving._usable("127.0.0.1", 8140, 0)
