from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from chancery.core.wrong import sentence


class Asked(BaseModel):
    number: str = Field("", pattern=r"^[0-9]{0,20}$")
    days: int = Field(1, ge=1, le=200)
    rows: list[int] = Field([1], min_length=1, max_length=2)
    owner: str = ""
    moment: bytes = b""
    name: str = Field("ab", max_length=3)

    @field_validator("owner")
    @classmethod
    def _owned(cls, value: str) -> str:
        if value:
            raise ValueError(value)
        return value


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"number": "12a"}, "This is not written as it must be."),
        ({"days": 0}, "The least is 1."),
        ({"days": 201}, "The most is 200."),
        ({"days": "x"}, "This must be a whole number."),
        ({"rows": [1, 2, 3]}, "The most are 2 of these, and 3 came."),
        ({"name": "abcd"}, "The most are 3 characters."),
        ({"owner": "Somebody has to own it"}, "Somebody has to own it."),
        ({"owner": "Somebody has to."}, "Somebody has to."),
        ({"moment": 5}, "Input should be a valid bytes."),
    ],
)
def test_what_is_wrong_is_told_without_a_word_of_the_program(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate(asked)
    assert sentence(refused.value.errors(include_input=False, include_url=False)[0]) == told
