"""What the settings of all kinds of targets have in common. Their fields are the form, the API's schema and the docs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Path = Annotated[str, Field(pattern=r"^(/[^\x00/]+)+$", max_length=400)]
OptionalPath = Annotated[str, Field(pattern=r"^((/[^\x00/]+)+)?$", max_length=400)]
Mode = Annotated[str, Field(pattern="^0?[0-7]{3}$")]
Owner = Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_-]*)?(:[a-z_][a-z0-9_-]*)?$", max_length=70)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9@._-]*$", max_length=100)]


def field(default: Any, title: str, about: str = "", **more: Any) -> Any:
    """Return a field with the title and the sentence that forms and docs show; `...` for one that must be given."""
    extra: dict[str, Any] = {n: more.pop(n) for n in ("choices", "group") if n in more}
    return Field(default, title=title, description=about, json_schema_extra={"group": "Target"} | extra, **more)


class TargetSettings(BaseModel):
    """Base of a kind's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Probed(TargetSettings):
    """Where the bot looks what is served."""

    probe_host: str = field("127.0.0.1", "Host to look at", "Where this host reaches the service.", max_length=253)
    probe_port: int = field(
        443, "Port to look at", "0 where nothing serves it: it is then deployed unproven.", ge=0, le=65535
    )
    server_name: str = field("", "Name to ask for (SNI)", "Empty for the certificate's first name.", max_length=253)


class Files(Probed):
    """Files that belong to somebody."""

    owner: Owner = field("", "Owner", "user:group of the files; empty for the bot's own.")
    key_mode: Mode = field("0600", "Mode of the key", "As chmod has it.")
    service: Name = field("", "systemd service", "Reloaded after the change; empty where the program is told directly.")
