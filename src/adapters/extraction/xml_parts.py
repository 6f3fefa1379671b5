"""Reads XML parts of containers as a stream: no tree is built, and no document type accepted.

libxml2 refuses names, values and nesting beyond its own limits besides.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

from lxml import etree

from adapters.extraction.limits import ExtractionLimits
from domain.retrieval.rejection import DAMAGED, DECLARES_ENTITIES, DocumentRejected, more_than

_PIECE_BYTES = 65_536


class PartReader:
    """Hears of the elements of a part in order; a subclass says what they mean.

    Tags are "{namespace}name". Counts the elements of all parts that it reads.
    """

    def __init__(self, limits: ExtractionLimits) -> None:
        self.limits = limits
        self._elements = 0

    def read(self, container: zipfile.ZipFile, name: str) -> None:
        """Raises DocumentRejected where there is no such part, or it is no XML."""
        parser = etree.XMLParser(
            target=_Target(self), resolve_entities=False, no_network=True, huge_tree=False
        )
        try:
            with container.open(name) as part:
                while piece := part.read(_PIECE_BYTES):
                    parser.feed(piece)
            parser.close()
        except (KeyError, etree.XMLSyntaxError, zipfile.BadZipFile, EOFError):
            raise DocumentRejected(DAMAGED) from None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Some characters; more may follow at once."""

    def count(self) -> None:
        self._elements += 1
        if self._elements > self.limits.elements_max:
            raise more_than(self.limits.elements_max, "elements")


class _Target:
    """What lxml calls, by the names that it calls."""

    def __init__(self, reader: PartReader) -> None:
        self._count, self._start = reader.count, reader.start
        self.end, self.data = reader.end, reader.text

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._count()
        self._start(tag, attributes)

    def doctype(self, *_: str | None) -> None:
        raise DocumentRejected(DECLARES_ENTITIES)

    def close(self) -> None:
        pass


def local(tag: str) -> str:
    """The name of an element without its namespace."""
    return tag[tag.rfind("}") + 1 :]


def small_number(attribute: str | None, default: int) -> int:
    """A whole number from an attribute; the default where there is none, or a longer one."""
    if attribute is None or not attribute.isascii() or not attribute.isdecimal():
        return default
    return int(attribute) if len(attribute) < 10 else default
