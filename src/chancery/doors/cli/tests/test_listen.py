"""Where the server listens, as it is written."""

import pytest

from chancery.doors.cli.host import listened


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:8000", ("127.0.0.1", 8000)),
        (":8000", ("127.0.0.1", 8000)),
        ("8000", ("127.0.0.1", 8000)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),  # noqa: S104 -- text that is read, nothing is bound
    ],
)
def test_addresses(text, found):
    assert listened(text) == found


@pytest.mark.parametrize("text", ["nonsense", "127.0.0.1", "127.0.0.1:", ":0", ":65536", ":99999", ":-1", ":٣", ":1_0"])
def test_no_port(text):
    with pytest.raises(SystemExit, match="CHANCERY_LISTEN") as end:
        listened(text)
    assert "65535" in str(end.value)
