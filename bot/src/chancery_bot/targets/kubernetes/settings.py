"""Settings of a Kubernetes target."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chancery_bot.targets.settings import Name, Probed, field

Label = Annotated[str, Field(pattern="^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class Settings(Probed):
    """Which secret, in which cluster of those that the host's configuration names."""

    cluster: Name = field(..., "Cluster", "Name under [clusters] of the host's configuration.", min_length=1)
    namespace: Label = field("default", "Namespace")
    secret: Label = field(..., "Secret")
    probe_port: int = field(
        0, "Port to look at", "0 where nothing serves it: it is then deployed unproven.", ge=0, le=65535
    )
