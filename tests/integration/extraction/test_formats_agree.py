"""The same documents in many formats say the same words, in the same order.

Five formats were made from one source by others. Of the rest we make some with programs of
others: tables and JSON of each document's paragraphs under their headings, and mails that carry it.
"""

from __future__ import annotations

import asyncio
import csv
import difflib
import io
import json
import os
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import odfdo
import openpyxl
import pytest

from adapters.extraction.content_type import (
    CSV,
    EML,
    HEAD_BYTES,
    JSON,
    JSON_LINES,
    ODS,
    TAIL_BYTES,
    TSV,
    XLSX,
    media_type_of,
)
from adapters.extraction.process import ProcessExtractor
from domain.retrieval.chunking import split_into_chunks
from domain.retrieval.extracted_text import BlockKind, ExtractedText

_ROOT = Path(__file__).resolve().parents[3]
_SHARED = Path(os.environ.get("STRONGROOM_SHARED_DATA") or _ROOT.parent / "shared" / "data")
_FILES = _SHARED / "files" / "CloudWay-24"
_NAMES = ["Section", "Text"]
Rows = list[list[str]]

pytestmark = pytest.mark.skipif(
    not _FILES.is_dir(), reason="the shared collection CloudWay-24 is not here"
)


@pytest.fixture(scope="module")
async def extractor() -> AsyncIterator[ProcessExtractor]:
    extractor = ProcessExtractor()
    yield extractor
    await extractor.close()


def _sources() -> list[Path]:
    found = sorted((_FILES / "md").glob("[!.]*.md"))
    assert len(found) == 37
    return found


@pytest.mark.slow
async def test_every_document_is_read_alike_from_all_five_formats(
    extractor: ProcessExtractor,
) -> None:
    agreement: dict[str, list[float]] = {"html": [], "docx": [], "pdf": [], "pptx": []}
    for source in _sources():
        words = _words(await _read(extractor, source))
        for kind, found in agreement.items():
            other = _words(await _read(extractor, _FILES / kind / f"{source.stem}.{kind}"))
            match = difflib.SequenceMatcher(None, words, other, autojunk=False)
            found.append(match.ratio())
    for kind, found in agreement.items():
        assert len(found) == 37
        assert sum(found) / len(found) > 0.99, kind
        assert min(found) > 0.97, kind


async def test_tables_and_json_of_a_document_say_the_same(extractor: ProcessExtractor) -> None:
    for source in _sources():
        rows = _rows(await _read(extractor, source))
        records = [dict(zip(_NAMES, row, strict=True)) for row in rows]
        made = {
            CSV: _delimited(rows, ","),
            TSV: _delimited(rows, "\t"),
            XLSX: _xlsx(rows, source.stem),
            ODS: _ods(rows, source.stem),
            JSON: json.dumps(records).encode(),
            JSON_LINES: "".join(f"{json.dumps(each)}\n" for each in records).encode(),
        }
        wanted = _words_of("\n".join(f"Section {section} Text {text}" for section, text in rows))
        for media_type, content in made.items():
            extracted = await _read(extractor, content, media_type)
            said = [b for b in extracted.blocks if b.kind is not BlockKind.HEADING]
            if media_type not in {JSON, JSON_LINES}:
                assert _text(extracted, said.pop(0)) == "Section | Text"
            text = "\n".join(_text(extracted, block) for block in said)
            assert _words_of(text) == wanted, (source.name, media_type)
            assert all(_is_placed(block.place, media_type) for block in said)


async def test_a_mail_says_what_its_html_and_its_attachment_say(
    extractor: ProcessExtractor,
) -> None:
    for source in _sources():
        html = _FILES / "html" / f"{source.stem}.html"
        pdf = _FILES / "pdf" / f"{source.stem}.pdf"
        message = EmailMessage()
        message["From"], message["Date"] = "a@example.org", "Tue, 03 Feb 2026 10:00:00 +0100"
        message["Subject"] = "Sent"
        message.set_content("plain")
        page = await asyncio.to_thread(html.read_text, "utf-8")
        message.add_alternative(page, subtype="html", cte="quoted-printable")
        attached = await asyncio.to_thread(pdf.read_bytes)
        message.add_attachment(attached, "application", "pdf", filename="enclosed.pdf")
        extracted = await _read(extractor, message.as_bytes(), EML)
        parts: dict[str | None, str] = {}
        for block in extracted.blocks:
            said = parts.get(block.place.part, "")
            parts[block.place.part] = f"{said}\n{_text(extracted, block)}"
        assert _words_of(parts["1.2"]) == _words(await _read(extractor, html)), source.name
        enclosed = _words_of(parts["2"])
        assert enclosed[:2] == ["enclosed", "pdf"]
        assert enclosed[2:] == _words(await _read(extractor, pdf)), source.name
        pages = {block.place.page for block in extracted.blocks if block.place.part == "2"}
        assert 1 in pages


def _is_placed(place: object, media_type: str) -> bool:
    wanted = {
        CSV: {"row"},
        TSV: {"row"},
        XLSX: {"sheet", "row"},
        ODS: {"sheet", "row"},
        JSON: {"pointer"},
        JSON_LINES: {"row", "pointer"},
    }[media_type]
    return set(place.known()) == wanted  # type: ignore[attr-defined]


def _rows(extracted: ExtractedText) -> Rows:
    """A section and a text in each row, none of them empty."""
    rows, section = [], "Beginning"
    for block in extracted.blocks:
        text = _text(extracted, block)
        if block.kind is BlockKind.HEADING:
            section = text
        elif text[0].isalpha():  # neither a formula nor a number for those who write the files
            rows.append([section, text])
    return rows


def _delimited(rows: Rows, delimiter: str) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows([_NAMES, *rows])
    return file.getvalue().encode()


def _xlsx(rows: Rows, name: str) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = re.sub(r"\W", " ", name)[:31]
    for row in [_NAMES, *rows]:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _ods(rows: Rows, name: str) -> bytes:
    document = odfdo.Document("spreadsheet")
    document.body.clear()
    table = odfdo.Table(re.sub(r"\W", " ", name).strip())
    for cells in [_NAMES, *rows]:
        row = odfdo.Row()
        for at, cell in enumerate(cells):
            row.set_value(at, cell)
        table.append_row(row)
    document.body.append(table)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


async def _read(
    extractor: ProcessExtractor, source: Path | bytes, media_type: str | None = None
) -> ExtractedText:
    content = source if isinstance(source, bytes) else await asyncio.to_thread(source.read_bytes)
    found = media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])
    assert found is not None
    assert media_type is None or found == media_type
    extracted = await extractor.extract(content, found)
    assert split_into_chunks(extracted)
    return extracted


def _text(extracted: ExtractedText, block: object) -> str:
    return extracted.text[block.start : block.end]  # type: ignore[attr-defined]


def _words(extracted: ExtractedText) -> list[str]:
    return _words_of(extracted.text)


def _words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
