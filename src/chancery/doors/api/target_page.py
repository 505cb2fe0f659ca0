"""The page docs/reference/targets.md, written from the kinds' settings."""

from __future__ import annotations

from collections.abc import Iterator

from chancery_bot import kinds

_HEAD = """\
# Targets of bots

Each kind of target with its settings, as form, REST (`settings` of a target) and command line (`--set name=value`) have them.
This page is written by `make docs` from the code. What a bot may touch on its host is decided there, in
`/etc/chancery-bot/config.toml`: see [the bot's own page](../../bot/README.md).
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for kind in kinds.TITLES for line in _kind(kind))])


def _kind(kind: str) -> Iterator[str]:
    yield f"## {kinds.TITLES[kind]} (`{kind}`)\n"
    yield "| Setting | Title | Default | What it is |\n| --- | --- | --- | --- |"
    for name, info in kinds.settings(kind).model_fields.items():
        default = "required" if info.is_required() else f"`{info.default}`" if info.default != "" else ""
        yield f"| `{name}` | {info.title} | {default} | {(info.description or '').replace('|', chr(92) + '|')} |"
    yield ""
