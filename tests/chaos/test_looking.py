"""Whoever looks for marked secrets finds each of them, in every way of writing, wherever in a text it stands."""

import secrets

import pytest

from chancery.core import keys
from tests.chaos.canaries import PIECE, STEP, Canaries, forms, marked, numbers, parts_of_bytes, pieces
from tests.chaos.everyones import pem_of


def found(canaries, raw):
    """Return the names of the secrets that a text alone gives away."""
    canaries.found.clear()
    canaries.look("here", raw)
    return {name for name, where, around in canaries.found if where == "here" and around}


def everywhere(piece):
    """Yield texts that hold some bytes: alone, first, last, and at each distance from where looks begin."""
    yield piece
    for before in range(2 * STEP + 1):
        yield b"." * before + piece
        yield b"\xff" * before + piece + b"." * (STEP - before % STEP)


@pytest.mark.parametrize(
    "chosen",
    [marked(), secrets.token_urlsafe(36), "hall-door-painted-green"],
    ids=["odd", "word", "chosen"],
)
def test_each_way_of_writing_a_secret_is_found_whole_and_by_its_ends(chosen):
    canaries = Canaries()
    for _ in range(20):
        canaries.add("another")
    canaries.add("it", chosen)
    for form in forms(chosen):
        raw = form.encode()
        for part in (raw, raw[:PIECE], raw[-PIECE:]):
            assert all(found(canaries, text) == {"it"} for text in everywhere(part)), (form, part)


def test_each_piece_is_found_wherever_it_stands_and_nothing_less_is():
    canaries = Canaries()
    value = canaries.add("it")
    for piece in pieces(value):
        assert all(found(canaries, text) == {"it"} for text in everywhere(piece)), piece
    for piece in pieces(value):
        assert all(found(canaries, cut) == set() for cut in (piece[1:], piece[:-1], piece[:6] + b"." + piece[6:])), (
            piece
        )


def test_keys_and_what_others_chose_are_found_wherever_they_stand():
    canaries, number, word = Canaries(), secrets.token_bytes(32), "a word of others"
    canaries.add_bytes("number", number)
    canaries.add_whole("word", word)
    pem = canaries.add_key("key", pem_of(keys.generate("EC-P256")))
    for name, parts in (("number", parts_of_bytes(number)), ("key", parts_of_bytes(numbers(pem)[0]))):
        assert all(found(canaries, text) == {name} for part in parts for text in everywhere(part)), name
    assert all(found(canaries, text) == {"word"} for form in forms(word) for text in everywhere(form.encode()))
    assert found(canaries, word[:PIECE]) == set()
    assert len(canaries) == 3


def test_several_in_one_text_are_all_found_and_each_once():
    canaries = Canaries()
    values = {f"secret {n}": canaries.add(f"secret {n}") for n in range(9)}
    raw = " and ".join(form for value in values.values() for form in forms(value)).encode() * 3
    assert found(canaries, raw) == set(values)
    assert len(canaries.found) == sum(piece in raw for value in values.values() for piece in pieces(value))
    assert canaries.looked == len(raw)


def test_what_is_too_short_to_be_looked_for_is_refused():
    with pytest.raises(AssertionError, match="too short"):
        Canaries().add("it", "open")
