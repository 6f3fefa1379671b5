"""The type of a file is decided by its bytes."""

from __future__ import annotations

import gzip
import time
import zipfile
from io import BytesIO

import pytest

from adapters.extraction.content_type import (
    CSV,
    DOCX,
    EML,
    HEAD_BYTES,
    HTML,
    JSON,
    JSON_LINES,
    MARKDOWN,
    ODS,
    PDF,
    PLAIN_TEXT,
    PPTX,
    TAIL_BYTES,
    TSV,
    XLSX,
    media_type_of,
)
from adapters.extraction.sample_sheets import container_of
from adapters.extraction.samples import samples


def _archive(*names: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


def _type(content: bytes) -> str | None:
    return media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])


def test_each_sample_is_what_it_is() -> None:
    for media_type, content in samples().items():
        assert _type(content) == media_type


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"\xff\xd8\xff\xe0" + bytes(64),
        b"MZ\x90\x00" + bytes(64),
        b"\x7fELF\x02" + bytes(64),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        gzip.compress(b"text"),
        _archive("a.txt"),
        _archive("[Content_Types].xml", "xl/workbook.bin"),
        _archive("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"),
        _archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
        b"{\\rtf1 text}",
        b"text with a \x00 in it",
        "text".encode("utf-32"),
    ],
    # Archives tell when they were made, and names of tests must be the same in every process.
    ids=lambda content: content[:4].hex(),
)
def test_what_is_not_supported_has_no_type(content: bytes) -> None:
    assert _type(content) is None


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", PLAIN_TEXT),
        (b"just words\nand more", PLAIN_TEXT),
        (b"- milk\n- eggs\n", PLAIN_TEXT),
        (b"# comment\nkey: value\n- a\n- b\n", PLAIN_TEXT),
        (b"#!/bin/sh\n# say it\necho a\n", PLAIN_TEXT),
        (b"The file begins with %PDF-1.7, they said.", PLAIN_TEXT),
        (b"{json: [1, 2]}", PLAIN_TEXT),
        ("été".encode("utf-16"), PLAIN_TEXT),
        (b"# Title\n\nWords.\n", MARKDOWN),
        (b"Words **strong** and [a link](https://example.org).\n", MARKDOWN),
        (b"|a|b|\n|-|-|\n|1|2|\n\n- x\n- y\n", MARKDOWN),
        (b"<!DOCTYPE html><p>x", HTML),
        (b"<!-- note -->\n<h1 id='a'>x</h1>", HTML),
        (b"\xef\xbb\xbf  <html><body>x</body></html>", HTML),
        (b"\n\njunk %PDF-1.4\n\x00\x01", PDF),
        (b'{"json": [1, 2]}', JSON),
        (b' [\n  {"a": 1},\n  {"b": null}\n]\n', JSON),
        (b"[]", JSON),
        (b'{"a": "never ends', PLAIN_TEXT),
        (b'{"a": 1} and more', PLAIN_TEXT),
        (b"[1] Knuth, D. E., The Art of Computer Programming.", PLAIN_TEXT),
        (b"[note] to self", PLAIN_TEXT),
        (b"1234", PLAIN_TEXT),
        (b'{"a": 1}\n{"a": 2}\n', JSON_LINES),
        (b"[1, 2]\n\n[3, 4]", JSON_LINES),
        (b"Name,City\nAda,London\n", CSV),
        (b'Name,Said\nAda,"Well, yes, then, so"\n', CSV),
        (b"id;Betrag\n1;1,5\n2;2,5\n", CSV),
        (b"\xef\xbb\xbf,a,b\r\n0,1,2\r\n", CSV),
        (b"1,2,3,4\n5,6,7,8\n", CSV),
        (b"No.,Item,How many?\n1,Apple,3\n2,Pear,4\n", CSV),
        (b"Report of May,,\n,,\nName,Value,Value\nApple,1,2\n", CSV),
        (b"id,name,\r1,Ada,\r2,Bob,\r", CSV),
        (b"sep=;\r\nName;City\r\nAda;London\r\n", CSV),
        (b"1,250,000\n3,400,000\n5,000,000\n", PLAIN_TEXT),
        (b"name, city, age\nAda, London, 36\nBob, Paris, 40\n", PLAIN_TEXT),
        (b"Name\tCity\nAda\tLondon\n", TSV),
        (b"Name,City\n", PLAIN_TEXT),
        (b"Dear Ada, thank you.\nAs ever, Bob\n", PLAIN_TEXT),
        (b"Well, then\nNo, never\n", PLAIN_TEXT),
        (b"1,250\n3,400\n", PLAIN_TEXT),
        (b"f(a,b);\ng(c,d);\n", PLAIN_TEXT),
        (b"int a;\nint b;\n", PLAIN_TEXT),
        (b"- a,b\n- c,d\n", PLAIN_TEXT),
        (b"<center><font size=3>Old page</font></center>", HTML),
        (b"<img src=x alt='A cat'><p>words</p>", HTML),
        (b"<p align=center><img src=x></p>\n\n# One\n\n## Two\n\n```sh\nls\n```\n", MARKDOWN),
        (b"<h1>One</h1>\n<p>**two**</p>\n<pre>\n# three\n\n# four\n</pre>", HTML),
        (b"<body><p>\n\n# One\n\n## Two\n\n```sh\nls\n```\n</p>", HTML),
        (b"From: a@x\r\nTo: b@x\r\nDate: now\r\n\r\ncaf\xe9", EML),
        (b"Received: by x\n\tfor y\nFROM: a@x\nSubject: s\n\nbody", EML),
        (b"From: a@x\nSubject: a note without a date\n\nbody", PLAIN_TEXT),
        (b"From: a@x\nDate: now\nTo: b@x\nand no empty line", PLAIN_TEXT),
        (b"HTTP/1.1 200 OK\nDate: now\nFrom: a\nTo: b\n\nbody", PLAIN_TEXT),
    ],
    ids=str,
)
def test_text_is_told_apart_by_what_it_says(content: bytes, media_type: str) -> None:
    assert _type(content) == media_type


def test_a_head_that_ends_within_a_character_is_still_text() -> None:
    content = b"a" * (HEAD_BYTES - 1) + "é".encode()
    assert _type(content) == PLAIN_TEXT
    assert _type("über Köln ".encode() * 9 + b"\xc3") is None


@pytest.mark.parametrize(
    ("begin", "line", "end", "media_type"),
    [
        (b'{"a": [', b'{"b": "words \\" and {", "c": -1.5e3},', b"1]}", JSON),
        (b"", b'{"b": "words"}\n', b"", JSON_LINES),
        (b"name,said\n", b'Ada,"words, and ""more"""\n', b"", CSV),
        (b"name\tsaid\n", b"Ada\twords\n", b"", TSV),
        (b"From: a\nDate: b\nTo: c", b",c\n ", b"d\n\nwords", EML),
        (b'{"a": [', b"1,", b"1]} and more", PLAIN_TEXT),
    ],
    ids=range(6),
)
def test_what_is_longer_than_the_head_is_known_by_its_beginning_and_its_end(
    begin: bytes, line: bytes, end: bytes, media_type: str
) -> None:
    for padding in range(40):
        content = begin + line * (HEAD_BYTES // len(line) + padding) + end
        assert _type(content) == media_type, padding


def test_a_long_head_is_judged_in_a_moment() -> None:
    for head in (
        *(b'["' * 32_000, b'{"a":' * 13_000, b'"' * HEAD_BYTES, b"[" * HEAD_BYTES),
        *(b"[" + b"1" * HEAD_BYTES, b'{"a":"' + b"\\" * HEAD_BYTES, b"{}\n" * 20_000),
        *(b"a," * 32_000, b"a,b\n" * 16_000, b'a,b\n"' * 12_000, b"a\t" * 32_000),
        *(b"x: y\n" * 13_000, b"x:\n " * 16_000, b" " * HEAD_BYTES, b"\n" * HEAD_BYTES),
        *(b"<" * HEAD_BYTES, b"#" * HEAD_BYTES, b"**" * 32_000, b"[](" * 20_000),
    ):
        began = time.process_time()
        media_type_of(head[:HEAD_BYTES], head[-TAIL_BYTES:])
        assert time.process_time() - began < 4, head[:9]  # 0.1 when nothing else runs


def test_opendocument_is_known_by_the_type_that_it_begins_with() -> None:
    assert _type(container_of({"mimetype": ODS, "content.xml": "x"})) == ODS
    for other in (ODS.replace("spreadsheet", "text"), f"{ODS}-template"):
        assert _type(container_of({"mimetype": other, "content.xml": "x"})) is None
    assert _type(container_of({"a": "x", "mimetype": ODS})) is None


def test_office_files_are_known_by_a_directory_that_only_the_tail_holds() -> None:
    for media_type, name in (
        (DOCX, "word/document.xml"), (PPTX, "ppt/presentation.xml"), (XLSX, "xl/workbook.xml"),
    ):  # fmt: skip
        content = _archive("[Content_Types].xml", name)
        assert media_type_of(content[:40], content[-TAIL_BYTES:]) == media_type
