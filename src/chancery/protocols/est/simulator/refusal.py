"""How the server says no: a status, and text for people (RFC 7030 section 4.2.3)."""

from __future__ import annotations

from chancery.sandbox.frame import Reply


class Refusal(Exception):
    """Raised where the request is not granted."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers

    def reply(self, *, html: bool) -> Reply:
        """Return the answer, as plain text or as a web page."""
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        if html:
            page = f"<html><body><h1>Error {self.status}</h1><p>{self.text}</p></body></html>"
            return Reply(self.status, page.encode(), "text/html", headers=headers)
        return Reply(self.status, self.text.encode(), "text/plain", headers=headers)
