"""What a page of Web Enrollment says, by element ids, link targets and numbers: its words are in the server's language.

Ids and shapes are those of the reference, sections A1.3 to A1.5. The parser lower-cases names, unescapes `&amp;` and does not
mind end tags that are missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from html.parser import HTMLParser

from chancery.authorities.adcs.hresults import code_in

_BLOCKS = frozenset({"p", "dt", "dd", "dl", "td", "tr", "table", "div", "form", "hr", "h1", "h2", "h3", "body"})
_ENDED_BY_BLOCKS = frozenset({"p", "dt", "dd"})
_CERTIFICATE = re.compile(r"certnew\.cer\?(?:[^\"']*&)?ReqID=(\d{1,10})(?:&|$)", re.IGNORECASE)
_QUOTED = re.compile(r"[\"“”„«»].*[\"“”„«»]", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])\d{1,10}(?!\w)")
_RENEWALS = re.compile(r"\bvar\s+nRenewals\s*=\s*(\d{1,4})\s*;")
_WORD = re.compile(r"[^\s;,|=:]+")
_ERROR_IDS = frozenset({"locContactAdmin", "locDispLabel", "locLastStatLabel", "locResultLabel"})
_MOST_TEXT = 1000
DENIED, TAKEN_UNDER_SUBMISSION, REVOKED = 2, 5, 6
"""Dispositions as an error page prints them (MS-WCCE section 3.2.1.4.2.1)."""


class Kind(StrEnum):
    """What a page tells of a request."""

    ISSUED = "issued"
    PENDING = "pending"
    DENIED = "denied"
    REVOKED = "revoked"
    ERROR = "error"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`request` is the CA's id ('' where the page has none), `code` the failure number, `text` the CA's own words."""

    kind: Kind
    request: str = ""
    code: int | None = None
    text: str = ""


def read(body: bytes) -> Verdict:
    """Return what a page says. A denial is looked for before anything else, since it carries a request id too."""
    page = _Page(body)
    told = page.texts
    if "locDenied" in page.ids:
        words = _plain(told.get("locInfoReqIDandReason", ""))
        return Verdict(Kind.DENIED, _id_in(words), code_in(words), words)
    if "locIssRev" in page.ids:
        words = _plain(told["locIssRev"])
        return Verdict(Kind.REVOKED, _id_in(words), text=words)
    link = next((found[1] for href in page.links if (found := _CERTIFICATE.search(href))), "")
    if link:
        return Verdict(Kind.ISSUED, link)
    if "locInfoReqID" in page.ids and page.ids & {"locInfoNewReq", "locInfoChkPnd"}:
        return Verdict(Kind.PENDING, _id_in(_plain(told["locInfoReqID"])))
    return _failure(page) if page.ids & _ERROR_IDS else Verdict(Kind.NONE)


def _failure(page: _Page) -> Verdict:
    """Return what an error page says: the last status goes before the result, and both before the disposition."""
    told = {name: _plain(value) for name, value in page.values.items()}
    last, result = told.get("locLastStatLabel", ""), told.get("locResultLabel", "")
    disposition, words = told.get("locDispLabel", ""), told.get("locDispMsgLabel", "")
    code = code_in(last) or code_in(result) or code_in(words)
    text = " ".join(part for part in (words, last or result) if part)[:_MOST_TEXT]
    number = _NUMBER.match(disposition)
    standing = int(number[0]) if number else None
    if standing == DENIED:
        return Verdict(Kind.DENIED, code=code, text=text)
    if code is None:
        kinds = {TAKEN_UNDER_SUBMISSION: Kind.PENDING, REVOKED: Kind.REVOKED}
        return Verdict(kinds.get(standing, Kind.ERROR) if standing else Kind.ERROR, text=text)
    return Verdict(Kind.ERROR, code=code, text=text)


def renewals_in(body: bytes) -> int | None:
    """Return the index of the newest CA certificate as certcarc.asp tells it; None where that is another page."""
    found = _RENEWALS.search(body.decode("utf-8", "replace"))
    return int(found[1]) if found else None


def ca_name_in(body: bytes) -> str:
    """Return the CA's name out of the heading that every page has: what stands behind its double dash; or ''."""
    words = _plain(_Page(body).texts.get("locMSCertSrv", ""))
    return words.partition("--")[2].strip()


def options_in(body: bytes) -> list[frozenset[str]] | None:
    """Return the words in value and text of each option of a request form; None where the page has no list at all.

    How the values are made up is not documented, so that a template is looked for as a word of its own in them.
    """
    page = _Page(body)
    return [frozenset(_WORD.findall(text)) for text in page.options] if page.lists else None


class _Page(HTMLParser):
    """Collects texts by element id, the values behind labels, links, and the options of lists."""

    def __init__(self, body: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: set[str] = set()
        self.texts: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.links: list[str] = []
        self.options: list[str] = []
        self.lists = 0
        self._open: list[tuple[str, str]] = []
        self._label = self._value = ""
        self._in_option = False
        self.feed(body.decode("utf-8", "replace"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag in _BLOCKS:
            self._open = [(t, i) for t, i in self._open if t not in _ENDED_BY_BLOCKS]
            self._in_option = False
        if tag in {"dt", "dd"}:
            self._begin_term(tag, named.get("id", ""))
        found = named.get("id", "")
        if found:
            self.ids.add(found)
            self.texts.setdefault(found, "")
            self._open.append((tag, found))
        if "href" in named:
            self.links.append(named["href"])
        if tag == "select":
            self.lists += 1
        if tag == "option":
            self._in_option = True
            self.options.append(named.get("value", ""))

    def _begin_term(self, tag: str, found: str) -> None:
        if tag == "dt":
            self._label, self._value = found, ""
        else:
            self._value = self._label

    def handle_endtag(self, tag: str) -> None:
        if tag in {"dd", "dl"}:
            self._value = ""
        if tag in {"select", "option"}:
            self._in_option = False
        last = next((n for n in range(len(self._open) - 1, -1, -1) if self._open[n][0] == tag), None)
        if last is not None:
            del self._open[last:]

    def handle_data(self, data: str) -> None:
        for _, found in self._open:
            self.texts[found] += data
        if self._value:
            self.values[self._value] = self.values.get(self._value, "") + data
        if self._in_option:
            self.options[-1] += f" {data}"


def _plain(text: str) -> str:
    """Return text on one line, without control characters, capped."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MOST_TEXT]


def _id_in(words: str) -> str:
    """Return the request id in a sentence: its first whole number outside the message that it quotes."""
    found = _NUMBER.search(_QUOTED.sub(" ", words))
    return found[0] if found else ""
