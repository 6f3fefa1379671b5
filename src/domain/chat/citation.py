"""Citations: which words of an answer rest on which bytes of a document, checked by machine.

A quote is verified when it equals the version's text at its span, to the byte. What cannot be
found is marked, never dropped, and never given a span that it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from domain.chat.excerpt import Excerpt
from domain.identity import DocumentId
from domain.place import NOWHERE, Place, place_at

QUOTE_CHARACTERS_MAX = 4_000
CITATIONS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """`start` and `end` are bytes of the version's text, those of the answer bytes of the answer.

    Where nothing was verified the span is that of the whole excerpt that was pointed to, and
    None where there is no such excerpt. `place` is where in the file the span begins, and `field`
    the JSON Pointer of the field of a record.
    """

    excerpt_id: str
    document_id: DocumentId | None
    version: int | None
    start: int | None
    end: int | None
    quote: str = field(repr=False)
    answer_start: int
    answer_end: int
    verified: bool
    place: Place = NOWHERE
    field: str | None = None


def quoted(
    excerpts: Mapping[str, Excerpt],
    excerpt_id: str,
    *,
    start: int,
    end: int,
    quote: str,
    answer_start: int,
    answer_end: int,
) -> Citation:
    """The citation of a quote that names its span. Verified only where every byte is the same."""
    excerpt = excerpts.get(excerpt_id)
    if excerpt is None or not _stands_at(excerpt, start, end, quote):
        return _unverified(excerpt_id, excerpt, quote, answer_start, answer_end)
    return Citation(
        excerpt_id=excerpt_id,
        document_id=excerpt.version.document_id,
        version=excerpt.version.version,
        start=start,
        end=end,
        quote=quote,
        answer_start=answer_start,
        answer_end=answer_end,
        verified=True,
        place=place_at(excerpt.places, start - excerpt.start),
        field=excerpt.field,
    )


def marked(answer: str, excerpts: Mapping[str, Excerpt]) -> Iterator[Citation]:
    """The citations that a generating model marked with [e1] or [e1, e2], at most 200.

    A marker speaks for the quotation that ends right before it, else for its sentence. These
    words are looked for in the excerpt; a model that puts them differently is not verified.
    """
    count = 0
    for marker in _MARKER.finditer(answer):
        start, end = _claim_before(answer, marker.start())
        claim = answer[start:end]
        answer_start = len(answer[:start].encode())
        answer_end = answer_start + len(claim.encode())
        for excerpt_id in _ID.findall(marker[0]):
            if count == CITATIONS_MAX:
                return
            count += 1
            yield _found(excerpts.get(excerpt_id), excerpt_id, claim, answer_start, answer_end)


_ID = re.compile(r"e[0-9]{1,4}")
_MARKER = re.compile(r"\[e[0-9]{1,4}(?:[,;]? ?e[0-9]{1,4}){0,15}\]")
_OPENING = {'"': '"', "”": "“", "»": "«"}
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)]{0,3}\s|\n|\]")


def _claim_before(answer: str, at: int) -> tuple[int, int]:
    """Characters [start, end) of what a marker at this place speaks for."""
    lowest = max(0, at - QUOTE_CHARACTERS_MAX)
    stretch = answer[lowest:at]
    if quotation := _quotation_at_the_end(stretch):
        return lowest + quotation[0], lowest + quotation[1]
    body = stretch.rstrip()
    while body.endswith("]") and (opening := body.rfind("[")) >= 0:  # markers in a row: one claim
        if not _MARKER.fullmatch(body, opening):
            break
        body = body[:opening].rstrip()
    start = 0
    for stop in _SENTENCE_END.finditer(body):
        if body[stop.end() :].strip():
            start = stop.end()
    start += len(body[start:]) - len(body[start:].lstrip())
    return lowest + start, lowest + len(body)


def _quotation_at_the_end(stretch: str) -> tuple[int, int] | None:
    """Characters [start, end) inside the quotation marks that a stretch ends with."""
    closing = len(stretch.rstrip(".,;:!? ")) - 1
    if closing < 1 or len(stretch) - closing > 4 or stretch[closing] not in _OPENING:
        return None
    opening = stretch.rfind(_OPENING[stretch[closing]], 0, closing)
    return (opening + 1, closing) if 0 <= opening < closing - 1 else None


def _found(
    excerpt: Excerpt | None, excerpt_id: str, claim: str, answer_start: int, answer_end: int
) -> Citation:
    at = -1 if excerpt is None or not claim else excerpt.text.find(claim)
    if excerpt is None or at < 0:
        return _unverified(excerpt_id, excerpt, claim, answer_start, answer_end)
    start = excerpt.start + len(excerpt.text[:at].encode())
    return quoted(
        {excerpt_id: excerpt},
        excerpt_id,
        start=start,
        end=start + len(claim.encode()),
        quote=claim,
        answer_start=answer_start,
        answer_end=answer_end,
    )


def _stands_at(excerpt: Excerpt, start: int, end: int, quote: str) -> bool:
    if not excerpt.start <= start < end <= excerpt.end:
        return False
    return excerpt.text.encode()[start - excerpt.start : end - excerpt.start] == quote.encode()


def _unverified(
    excerpt_id: str, excerpt: Excerpt | None, quote: str, answer_start: int, answer_end: int
) -> Citation:
    return Citation(
        excerpt_id=excerpt_id,
        document_id=None if excerpt is None else excerpt.version.document_id,
        version=None if excerpt is None else excerpt.version.version,
        start=None if excerpt is None else excerpt.start,
        end=None if excerpt is None else excerpt.end,
        quote=quote,
        answer_start=answer_start,
        answer_end=answer_end,
        verified=False,
        place=NOWHERE if excerpt is None else place_at(excerpt.places, 0),
        field=None if excerpt is None else excerpt.field,
    )
