"""Answers of the ACME server: what Django sends, but for links."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpResponse


class Reply(HttpResponse):
    """An answer with `links`, each of which gets a header line of its own.

    One line may hold several (RFC 8288 section 3), and clients that read each line as one link then miss the others.
    """

    def __init__(self, content: str = "", *, links: Iterable[str] = (), **more: object) -> None:
        super().__init__(content, **more)
        self.links = list(links)

    def items(self) -> Iterable[tuple[str, str]]:
        """Return the header lines as the web server is given them."""
        return [*super().items(), *(("Link", link) for link in self.links)]


def link(url: str, relation: str) -> str:
    """Return a link as its header line has it."""
    return f'<{url}>;rel="{relation}"'
