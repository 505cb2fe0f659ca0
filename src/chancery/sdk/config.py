"""How an authority declares what an administrator must fill in.

One frozen Pydantic model per authority is the single source of the console form, the REST schema,
the command-line flags and the table in the docs. Secrets are `Secret` fields: they are stored sealed
and apart from the rest, and never rendered back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from chancery.core.secret import Secret


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    schema_version: ClassVar[int] = 1

    @classmethod
    def upgrade(cls, version: int, data: dict[str, Any]) -> dict[str, Any]:
        """Return `data`, stored under schema `version`, in today's form. Pure; override when it changes."""
        del version
        return data


class Config(_Model):
    """Base of an authority's connector settings (everything beside the common fields)."""


class ProfileSettings(_Model):
    """Base of an authority's settings per profile (product, template, organisation)."""


def setting(
    *,
    title: str,
    help: str = "",  # noqa: A002  the word that form libraries use
    group: str = "Connection",
    default: Any = ...,
    choices: dict[str, str] | None = None,
    dynamic: bool = False,
    advanced: bool = False,
    multiline: bool = False,
    destination: bool = False,
    pins: bool = False,
    stays: bool = False,
    irreplaceable: bool = False,
    only: Mapping[str, tuple[str, ...]] | None = None,
    needed: Mapping[str, tuple[str, ...]] | None = None,
    **constraints: Any,
) -> Any:
    """Declare a field.

    `choices` maps value to label; `dynamic` fields offer what `Authority.choices(field)` returns;
    `destination` marks a field that decides where secrets are sent: changing it clears them, but for those that a
    `stays` marks: keys that sign or decrypt here and are never sent to anybody. `pins` marks a text of SHA-256 of
    public keys in hex: the door asks the server for one of them, beside the usual verification; another list of them is
    another trust, and clears secrets as well. An `irreplaceable`
    secret exists nowhere else, such as the key of a CA: deleting the connector erases it, so that is asked about by
    name. `only` says beside which values of other fields (which have `choices`) this one means anything, such as that of
    one protocol among several: `only={"transport": ("cmp",)}`. Elsewhere it is not shown, and ignored when given.
    `needed` says in the same way beside which values a field that may be empty elsewhere must be given: forms mark it there.
    That it is refused without is the model's own doing (`is_needed`).
    """
    extra: dict[str, Any] = {
        "group": group,
        "choices": choices or {},
        "dynamic": dynamic,
        "advanced": advanced,
        "multiline": multiline,
        "destination": destination or pins,
        "pins": pins,
        "stays": stays,
        "irreplaceable": irreplaceable,
        "only": {name: list(values) for name, values in (only or {}).items()},
        "needed": {name: list(values) for name, values in (needed or {}).items()},
    }
    return Field(default, title=title, description=help, json_schema_extra=extra, **constraints)


def is_secret(info: FieldInfo) -> bool:
    """Say whether a field holds a secret (a `Secret`, or an optional one)."""
    return info.annotation is Secret or Secret in get_args(info.annotation)


def secret_names(model: type[_Model]) -> frozenset[str]:
    """Return the names of a model's secret fields."""
    return frozenset(name for name, info in model.model_fields.items() if is_secret(info))


def destination_names(model: type[_Model]) -> frozenset[str]:
    """Return the names of the fields that decide where secrets go: addresses, and the keys that the server must have."""
    return frozenset(name for name, info in model.model_fields.items() if extra(info).get("destination"))


def pins_of(config: _Model) -> tuple[str, ...]:
    """Return the keys that a connector's settings pin."""
    found = (getattr(config, n) for n, info in type(config).model_fields.items() if extra(info).get("pins"))
    return tuple(pin for text in found for pin in text.replace(",", " ").split())


def staying_names(model: type[_Model]) -> frozenset[str]:
    """Return the names of the secrets that are never sent, and so outlive a change of where the others go."""
    return frozenset(name for name in secret_names(model) if extra(model.model_fields[name]).get("stays"))


def irreplaceable_names(model: type[_Model]) -> frozenset[str]:
    """Return the names of the secrets that exist nowhere else."""
    return frozenset(n for n in secret_names(model) if extra(model.model_fields[n]).get("irreplaceable"))


def matters(model: type[_Model], name: str, values: Mapping[str, Any]) -> bool:
    """Say whether a field means anything beside these values; what they lack stands as its default."""
    return _beside(model, extra(model.model_fields[name]).get("only") or {}, values)


def is_needed(model: type[_Model], name: str, values: Mapping[str, Any]) -> bool:
    """Say whether a field that has a default must be given beside these values; what they lack stands as its default."""
    wanted: dict[str, list[str]] = extra(model.model_fields[name]).get("needed") or {}
    return bool(wanted) and _beside(model, wanted, values)


def _beside(model: type[_Model], wanted: Mapping[str, list[str]], values: Mapping[str, Any]) -> bool:
    fields = model.model_fields
    return all(values.get(other, fields[other].default) in some for other, some in wanted.items())


def only_where(model: type[_Model], name: str) -> str:
    """Return the sentence that says beside which values a field means anything; '' where it always does."""
    wanted: dict[str, list[str]] = extra(model.model_fields[name]).get("only") or {}
    parts = [f"{other} is {' or '.join(some)}" for other, some in wanted.items()]
    return f"Only where {' and '.join(parts)}." if parts else ""


def extra(info: FieldInfo) -> dict[str, Any]:
    """Return what `setting` stored beside a field."""
    stored = info.json_schema_extra
    return dict(stored) if isinstance(stored, dict) else {}


NonEmpty = Annotated[str, Field(min_length=1, max_length=500)]
