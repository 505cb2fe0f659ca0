"""Checks of what an authority declares: settings, secrets, powers, facts."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any, ClassVar, get_args

import pytest
from pydantic import ValidationError

from chancery.core.secret import Secret
from chancery.sdk.authority import POWERS, Dedup, describe
from chancery.sdk.config import extra, secret_names
from chancery.sdk.testing.base import Base
from chancery.sdk.testing.bench import Bench

_LOOKS_SECRET = re.compile(r"(?i)(^|_|\b)(password|passphrase|secret|token|pin|credential|api_?key|private_?key)$")
_KINDS = {"dns", "ip", "email", "uri"}
_ODD_ENDS = ("", " ", "\n", "\u0007", "é", "x" * 5000)
"""What validators of secrets stumble over."""


class Declaring(Base):
    """Part of `Conformance`."""

    not_secret: ClassVar[frozenset[str]] = frozenset()
    """Settings that are called like a secret and are none, as a token's public number."""

    def _models(self, bench: Bench) -> list[tuple[Any, dict[str, Any]]]:
        return [(bench.about.config, bench.case.config), (bench.about.profile, bench.case.profile)]

    def test_what_is_called_a_secret_is_kept_as_one(self) -> None:
        """A credential in a plain field is stored as plain text, shown in forms, and given out by the API."""
        about = describe(self.authority)
        for model in (about.config, about.profile):
            plain = set(model.model_fields) - secret_names(model) - self.not_secret
            texts = {n for n in plain if str in {model.model_fields[n].annotation, *_inner(model, n)}}
            found = sorted(n for n in texts if _LOOKS_SECRET.search(n))
            assert not found, f"declare {', '.join(found)} as Secret, or name it in not_secret"
        assert not secret_names(about.profile), "a profile keeps no secrets: put them into the connector's settings"

    def test_a_setting_that_is_missing_is_named(self, bench: Bench) -> None:
        """The form marks the field; without a name nobody knows which."""
        for model, values in self._models(bench):
            for name in [n for n, info in model.model_fields.items() if info.is_required()]:
                left = {k: _typed(model, k, v) for k, v in values.items() if k != name}
                with pytest.raises(ValidationError) as refused:
                    model.model_validate(left)
                named = {str(e["loc"][0]) for e in refused.value.errors() if e["loc"]}
                assert name in named, f"{name} is missing, and the refusal names {sorted(named) or 'no field'}"

    def test_settings_come_back_from_storage_as_they_were(self, bench: Bench) -> None:
        """Settings are stored as JSON and read again at every call."""
        for model, values in self._models(bench):
            own = secret_names(model)
            first = model.model_validate({k: _typed(model, k, v) for k, v in values.items()})
            stored = json.loads(json.dumps(first.model_dump(mode="json", exclude=set(own))))
            again = model.model_validate({**stored, **{k: _typed(model, k, values[k]) for k in own & values.keys()}})
            assert again == first, "settings change on their way through storage"

    def test_a_refused_secret_is_not_quoted(self, bench: Bench) -> None:
        """What a validator says stands in the form, the API's answer and the log."""
        model, values = self._models(bench)[0]
        typed = {k: _typed(model, k, v) for k, v in values.items()}
        for name, end in product(secret_names(model), _ODD_ENDS):
            odd = f"odd-{name}-secret"
            try:
                model.model_validate({**typed, name: Secret(odd + end)})
            except ValidationError as refused:
                told = str(refused.errors(include_input=False, include_url=False))
                assert odd not in told, f"the refusal of {name} quotes it"

    def test_preparing_changes_nothing_that_was_given(self, bench: Bench) -> None:
        """What an administrator typed stays; what was handed over is not changed in place."""
        if not hasattr(self.authority, "prepare"):
            pytest.skip("it prepares nothing")
        given = dict(bench.case.config)
        before = dict(given)
        made = self.authority.prepare(given)
        assert given == before, "prepare changed what it was given"
        assert {k: made.get(k) for k in before} == before, "prepare overrode what the administrator typed"

    def test_a_field_that_wants_a_list_has_one(self) -> None:
        """A dynamic field asks `choices`; without the power its list never comes."""
        about = describe(self.authority)
        wanting = [
            n for m in (about.config, about.profile) for n, info in m.model_fields.items() if extra(info).get("dynamic")
        ]
        assert not wanting or "chooses" in about.powers, f"{', '.join(wanting)} want a list: write choices()"

    def test_a_field_that_belongs_to_a_choice_names_one_that_there_is(self) -> None:
        """`only` hides a field beside other values; one that names no such choice is never seen by anybody."""
        about = describe(self.authority)
        for model in (about.config, about.profile):
            for name, info in model.model_fields.items():
                for other, values in (extra(info).get("only") or {}).items():
                    assert other in model.model_fields, f"{name} belongs to {other}, and there is no such field"
                    choices = extra(model.model_fields[other]).get("choices") or {}
                    assert set(values) < set(choices), f"{name} belongs to {values}, and {other} has {list(choices)}"
                    assert not info.is_required(), f"{name} is required, and not always shown"

    def test_powers_are_whole(self) -> None:
        """Half a power is none: the engine finds it only where every method of it is there."""
        for name, power in POWERS.items():
            wanted = {n for n in vars(power) if not n.startswith("_")}
            have = {n for n in wanted if callable(getattr(self.authority, n, None))}
            assert have in (set(), wanted), f"{name} lacks {', '.join(sorted(wanted - have))}"

    def test_facts_do_not_contradict_each_other(self) -> None:
        """Windows belong to de-duplication, a lag to a search, and names are of kinds that there are."""
        about = describe(self.authority)
        facts, certificates = about.facts, about.facts.certificates
        assert set(certificates.name_kinds) <= _KINDS, "there is another kind of names"
        assert certificates.name_kinds, "it certifies no names at all"
        assert certificates.max_names >= 1
        assert certificates.validity_days_max is None or certificates.validity_days_max >= 1
        if facts.dedup_window is not None:
            assert facts.dedup is not Dedup.NONE, "a window of something that it does not do"
            assert facts.dedup_window > facts.lease, "nothing can be sent again inside the window"
        assert not facts.search_lag or "finds" in about.powers, "a search lag without a search"
        assert facts.revocation_reasons or "revokes" not in about.powers, "it revokes for no reason at all"


def _inner(model: Any, name: str) -> tuple[Any, ...]:
    return get_args(model.model_fields[name].annotation)


def _typed(model: Any, name: str, value: Any) -> Any:
    return Secret(value) if name in secret_names(model) and value else value
