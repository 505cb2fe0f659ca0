"""A full disk is told from everything else that may go wrong, wherever it was first noticed; key files stay whole through it."""

import errno
import os
import sqlite3

import pytest
from django.db import OperationalError

from chancery.apps.shared import keyfile
from chancery.apps.shared.room import no_room, said


def made_from(cause):
    """Return the framework's error for a driver's."""
    error = OperationalError(str(cause))
    error.__cause__ = cause
    return error


def sqlite(code):
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    return error


class OfPostgres(Exception):
    sqlstate = "53100"


def endless():
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    return one


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (made_from(sqlite(sqlite3.SQLITE_FULL)), True),
        (made_from(sqlite(sqlite3.SQLITE_BUSY)), False),
        (sqlite3.OperationalError("of the module itself"), False),
        (made_from(OfPostgres()), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (OperationalError("away"), False),
        (endless(), False),
        (None, False),
    ],
)
def test_a_full_disk_is_known_by_its_code(error, full):
    assert no_room(error) is full


def test_of_an_error_the_first_line_is_said():
    assert said(OperationalError("disk full\nHINT: more")) == "disk full"
    assert said(OperationalError()) == "OperationalError"


@pytest.mark.parametrize("write", [keyfile.make, keyfile.replace])
def test_a_key_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch, write):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(os, "fsync", full)
        write(tmp_path / "key", b"secret")
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "key", b"secret")
    assert (tmp_path / "key").read_bytes() == b"secret"
