"""What a model finds wrong is told in our words, with the numbers that count."""

import pytest
from ninja import Schema
from pydantic import Field, ValidationError

from chancery.doors.api.reading import errors_of_item


class Asked(Schema):
    size: int = Field(5, ge=1, le=200)
    rows: list[int] = Field([1], min_length=1, max_length=2)
    name: str = Field("ab", min_length=2, max_length=3)


@pytest.mark.parametrize(
    ("asked", "message", "remedy"),
    [
        ({"size": 0}, "The least is 1.", "Correct it."),
        ({"size": 201}, "The most is 200.", "Correct it."),
        ({"rows": []}, "The least are 1 of these, and 0 came.", "Send more of them."),
        ({"rows": [1, 2, 3]}, "The most are 2 of these, and 3 came.", "Send fewer of them at once."),
        ({"name": "abcd"}, "The most are 3 characters.", "Correct it."),
        ({"size": "x"}, "This must be a whole number.", "Send a number."),
    ],
)
def test_a_limit_is_told_with_its_number(asked, message, remedy):
    with pytest.raises(ValidationError) as refused:
        Asked.model_validate(asked)
    problem = errors_of_item(refused.value).problems[0]
    assert (problem.message, problem.remedy) == (message, remedy)
