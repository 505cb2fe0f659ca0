"""What waits is looked at together, again and again, until it is done, given up, or nobody looks any more."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chancery.apps.shared.grouped import LATER, Grouped


@pytest.fixture
def grouped():
    made = []

    def make(work):
        made.append(Grouped("looks", work, pause=0.001))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_is_not_done_comes_again(grouped):
    looks = []

    def look(group):
        looks.append(list(group))
        return [True if len(looks) == 3 else LATER for _ in group]

    grouped(look).wait("a", 30)
    assert looks == [["a"]] * 3


def test_whoever_gives_up_is_looked_for_no_longer(grouped):
    groups = []

    def look(group):
        groups.append(list(group))
        return [True if group == ["b"] else LATER for _ in group]

    looking = grouped(look)
    looking.wait("a", 0)
    looking.wait("b", 30)
    assert groups[-1] == ["b"]


def test_what_is_done_for_nobody_harms_nobody(grouped):
    given_up = threading.Event()

    def work(group):
        given_up.wait(30)
        return [True for _ in group]

    working = grouped(work)
    working._put("a").cancel()
    given_up.set()
    assert working.do("b") is True


def test_at_the_end_whoever_waits_is_let_go(grouped):
    looked = threading.Event()

    def look(group):
        looked.set()
        return [LATER for _ in group]

    looking = grouped(look)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(looking.wait, "a", 60)
        assert looked.wait(30)
        looking.close()
        assert waiting.result(30) is None
