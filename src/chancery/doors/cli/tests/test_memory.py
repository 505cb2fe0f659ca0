"""What was loaded at the start is no longer searched for garbage."""

import gc

import pytest

from chancery.doors.cli.memory import settle


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_is_left_out_of_the_search(thresholds):
    settle()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] > 700
