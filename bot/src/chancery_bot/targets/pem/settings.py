"""Settings of a target of plain PEM files."""

from __future__ import annotations

from pydantic import model_validator

from chancery_bot.targets.settings import Files, OptionalPath, field


class Settings(Files):
    """Which files are wanted; each may be left out, one must be there."""

    full_chain: OptionalPath = field("", "Certificate and chain", "One file, the certificate first.")
    certificate: OptionalPath = field("", "Certificate alone")
    chain: OptionalPath = field("", "Chain alone")
    key: OptionalPath = field("", "Key")
    combined: OptionalPath = field("", "All in one", "Certificate, chain and key.")
    probe_port: int = field(
        0, "Port to look at", "0 where nothing serves it: it is then deployed unproven.", ge=0, le=65535
    )

    @model_validator(mode="after")
    def _some(self) -> Settings:
        if not any((self.full_chain, self.certificate, self.chain, self.key, self.combined)):
            msg = "Name at least one file"
            raise ValueError(msg)
        return self
