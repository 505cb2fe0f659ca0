"""What a model found wrong with a value, as a sentence for people: with the limit, without patterns and class names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SENTENCES: dict[str, str] = {
    "missing": "This is missing.",
    "extra_forbidden": "There is no such field.",
    "string_type": "This must be text.",
    "string_pattern_mismatch": "This is not written as it must be.",
    "string_too_short": "The least are {min_length} characters.",
    "string_too_long": "The most are {max_length} characters.",
    "int_type": "This must be a whole number.",
    "int_from_float": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "float_type": "This must be a number.",
    "float_parsing": "This must be a number.",
    "bool_type": "This must be true or false.",
    "bool_parsing": "This must be true or false.",
    "list_type": "This must be a list.",
    "dict_type": "This must be an object.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "greater_than": "This must be more than {gt}.",
    "greater_than_equal": "The least is {ge}.",
    "less_than": "This must be less than {lt}.",
    "less_than_equal": "The most is {le}.",
    "too_short": "The least are {min_length} of these, and {actual_length} came.",
    "too_long": "The most are {max_length} of these, and {actual_length} came.",
    "literal_error": "This is none of the values that are taken: {expected}.",
}


def sentence(error: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors in our words; in its own where it is of a kind that we have none for.

    What a validator of ours raises is its own sentence already, which pydantic puts its name before.
    """
    context = error.get("ctx") or {}
    if error["type"] == "value_error" and "error" in context:
        text = str(context["error"])
        return text if text.endswith(".") else f"{text}."
    known = _SENTENCES.get(error["type"])
    return known.format_map(context) if known is not None else f"{error['msg']}."
