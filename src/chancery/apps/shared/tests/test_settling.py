"""What was loaded at the start is no longer searched for garbage, and threads take short turns."""

import gc
import sys
from types import SimpleNamespace

import pytest

from chancery.apps.shared.settling import give_back, settle


@pytest.fixture
def thresholds():
    before, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    sys.setswitchinterval(turn)


def test_what_is_loaded_is_left_out_of_the_search(thresholds):
    settle()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] > 700
    assert sys.getswitchinterval() < 0.001


def test_what_is_large_is_given_back_where_the_library_can(monkeypatch):
    asked = []
    library = SimpleNamespace(mallopt=lambda *about: asked.append(about))
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    give_back()
    assert asked == [(-3, 128 * 1024)]
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    give_back()
