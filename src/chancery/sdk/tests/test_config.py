import json

import pytest
from pydantic import Field, ValidationError

from chancery.core.secret import MASK, Secret
from chancery.sdk.config import (
    Config,
    NonEmpty,
    ProfileSettings,
    destination_names,
    extra,
    irreplaceable_names,
    is_secret,
    matters,
    only_where,
    pins_of,
    secret_names,
    setting,
    staying_names,
)


class Sample(Config):
    account: NonEmpty = setting(title="Account", help="As on the invoice", group="Login")
    key: Secret = setting(title="API key")
    spare: Secret | None = setting(title="Spare key", default=None, advanced=True, stays=True)
    host: str = setting(title="Login host", destination=True, default="login.example")
    kind: str = setting(title="Kind", choices={"a": "First"}, dynamic=True, multiline=True, default="a", max_length=3)
    keys: str = setting(title="Pinned keys", pins=True, default="")
    way: str = setting(title="Way", choices={"x": "By X", "y": "By Y", "z": "By Z"}, default="x")
    mode: str = setting(title="Mode", choices={"p": "P", "q": "Q"}, default="p", only={"way": ("y", "z")})
    depth: str = setting(title="Depth", default="", only={"way": ("y",), "mode": ("q",)})
    plain: int = 0
    computed: str = Field("", json_schema_extra=lambda schema: None)


def test_secrets_and_destinations_are_found():
    assert secret_names(Sample) == {"key", "spare"}
    assert destination_names(Sample) == {"host", "keys"}
    assert staying_names(Sample) == {"spare"}
    assert [is_secret(Sample.model_fields[n]) for n in ("key", "spare", "host")] == [True, True, False]


def test_pinned_keys_are_found_in_any_notation():
    values = {"account": "1", "key": Secret("k")}
    assert pins_of(Sample(**values)) == ()
    assert pins_of(Sample(**values, keys="ab, cd\n ef")) == ("ab", "cd", "ef")


def test_a_field_may_belong_to_the_values_of_others():
    assert only_where(Sample, "account") == only_where(Sample, "plain") == ""
    assert only_where(Sample, "mode") == "Only where way is y or z."
    assert only_where(Sample, "depth") == "Only where way is y and mode is q."
    assert matters(Sample, "account", {})
    assert [matters(Sample, "mode", values) for values in ({}, {"way": "y"}, {"way": "z"})] == [False, True, True]
    assert not matters(Sample, "depth", {"way": "y"})
    assert matters(Sample, "depth", {"way": "y", "mode": "q"})


def test_a_setting_keeps_what_the_form_needs():
    account, kind = Sample.model_fields["account"], Sample.model_fields["kind"]
    assert (account.title, account.description) == ("Account", "As on the invoice")
    assert account.is_required()
    assert extra(account) == {
        "group": "Login",
        "choices": {},
        "dynamic": False,
        "advanced": False,
        "multiline": False,
        "destination": False,
        "pins": False,
        "needed": {},
        "stays": False,
        "irreplaceable": False,
        "only": {},
    }
    assert (extra(kind)["choices"], extra(kind)["dynamic"], extra(kind)["multiline"]) == ({"a": "First"}, True, True)
    assert extra(kind)["group"] == "Connection"
    assert extra(Sample.model_fields["spare"])["advanced"] is True


def test_a_field_without_extras_has_none():
    assert extra(Sample.model_fields["plain"]) == {}
    assert extra(Sample.model_fields["computed"]) == {}


def test_what_extra_returns_is_a_copy():
    extra(Sample.model_fields["host"])["destination"] = False
    assert destination_names(Sample) == {"host", "keys"}


def test_unknown_fields_and_broken_constraints_are_refused():
    with pytest.raises(ValidationError, match="surprise"):
        Sample(account="a", key="k", surprise=1)
    with pytest.raises(ValidationError, match="kind"):
        Sample(account="a", key="k", kind="long")
    with pytest.raises(ValidationError, match="account"):
        Sample(account="", key="k")


def test_a_config_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Sample(account="a", key="k").account = "b"


def test_secrets_come_in_as_text_and_never_out():
    sample = Sample(account="a", key="hunter22", spare="hunter33")
    assert sample.key.reveal() == "hunter22"
    dumped = sample.model_dump_json()
    assert json.loads(dumped)["key"] == MASK
    assert "hunter" not in dumped + repr(sample) + str(sample)


def test_the_schema_says_that_a_secret_is_only_written():
    assert Sample.model_json_schema()["properties"]["key"]["writeOnly"] is True


@pytest.mark.parametrize("base", [Config, ProfileSettings])
def test_upgrade_leaves_data_alone_unless_overridden(base):
    data = {"v": 1}
    assert base.schema_version == 1
    assert base.upgrade(1, data) == {"v": 1}


def test_a_secret_that_exists_nowhere_else_is_named():
    class Own(Config):
        key: Secret = setting(title="Key", irreplaceable=True)
        login: Secret = setting(title="Login")
        place: str = setting(title="Place", irreplaceable=True)

    assert irreplaceable_names(Own) == {"key"}
