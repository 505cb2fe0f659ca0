"""Reads XML that somebody else wrote: no DTD, so no entities and nothing fetched; bounded in size, depth and number.

SOAP 1.2 part 1 section 5 forbids a document type declaration anyway. The text is taken for UTF-8, whatever the document
says of itself, unless it begins with the mark of UTF-16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from chancery.protocols.wstep.names import INSTANCE

_DEEPEST = 40
_MOST = 100_000
"""Elements. A policy service with three hundred templates answers with some thirty thousand."""
_NIL = {"true", "1"}


class Malformed(ValueError):
    """It is no XML, or none that is read here."""


@dataclass(slots=True)
class Element:
    """One element. Names are `namespace local`, as `named` makes them; text is that directly inside, joined."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def find(self, *names: str) -> Element | None:
        """Return the first element along a path of names; None where there is none."""
        found: Element | None = self
        for name in names:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def all(self, *names: str) -> list[Element]:
        """Return the elements of the last name, below the first path of the others."""
        above = self.find(*names[:-1])
        return [child for child in above.children if child.name == names[-1]] if above else []

    def value(self, *names: str) -> str:
        """Return the text of the element along a path, without space around it; '' where it is absent or nil."""
        found = self.find(*names)
        return "" if found is None or found.nil else found.text.strip()

    @property
    def nil(self) -> bool:
        """Say whether it is marked as having no value (xsi:nil)."""
        return self.attributes.get(named(INSTANCE, "nil"), "").strip() in _NIL


def named(namespace: str, local: str) -> str:
    """Return a name as elements carry it."""
    return f"{namespace} {local}"


def read(body: bytes) -> Element:
    """Return the root element; raises `Malformed`, saying what is wrong with it."""
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.take
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise Malformed(f"it is no XML: {error}") from None
    return reader.root.children[0]


def _no_doctype(*about: object) -> None:
    del about
    raise Malformed("it declares a document type, which SOAP forbids")


class _Reader:
    """Builds the tree."""

    def __init__(self) -> None:
        self.root = Element("")
        self._open, self._number = [self.root], 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        self._number += 1
        if self._number > _MOST or len(self._open) > _DEEPEST:
            raise Malformed("it has more elements, or deeper ones, than any answer of such a service")
        made = Element(name, attributes)
        self._open[-1].children.append(made)
        self._open.append(made)

    def end(self, name: str) -> None:
        """Close it."""
        del name
        self._open.pop()

    def take(self, text: str) -> None:
        """Keep text."""
        self._open[-1].text += text
