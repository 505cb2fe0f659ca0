from __future__ import annotations

import copy
import json
import pickle

import pytest
from pydantic import BaseModel, ValidationError

from chancery.core.secret import MASK, Secret

TEXT = "correct horse"


class Login(BaseModel):
    password: Secret


def test_it_shows_itself_nowhere() -> None:
    secret = Secret(TEXT)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", "%s" % secret, repr([secret])]  # noqa: UP031
    assert all(TEXT not in text and MASK in text for text in shown)
    assert not hasattr(secret, "__dict__")


def test_reveal_gives_the_text() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_it_is_true_when_it_holds_something() -> None:
    assert Secret(TEXT)
    assert not Secret("")


def test_it_equals_a_secret_with_the_same_text_and_nothing_else() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    assert Secret("ä") == Secret("ä")


def test_it_is_no_dictionary_key() -> None:
    with pytest.raises(TypeError):
        {Secret(TEXT)}


def test_it_is_not_pickled_but_may_be_copied() -> None:
    secret = Secret(TEXT)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_a_model_takes_text_or_a_secret() -> None:
    assert Login(password=TEXT).password == Secret(TEXT)  # type: ignore[arg-type]  validated
    assert Login(password=Secret(TEXT)).password.reveal() == TEXT


def test_a_model_refuses_anything_else_without_quoting_the_text() -> None:
    with pytest.raises(ValidationError, match="must be text"):
        Login(password=12345)  # type: ignore[arg-type]  that is the point


def test_a_model_gives_a_mask() -> None:
    login = Login(password=Secret(TEXT))
    assert login.model_dump() == {"password": MASK}
    assert json.loads(login.model_dump_json()) == {"password": MASK}
    assert TEXT not in repr(login)


def test_its_schema_says_that_it_is_written_only() -> None:
    expected = {"format": "password", "type": "string", "writeOnly": True}
    for mode in ("validation", "serialization"):
        schema = Login.model_json_schema(mode=mode)  # type: ignore[arg-type]  one of the two literals
        assert schema["properties"]["password"].items() >= expected.items()
