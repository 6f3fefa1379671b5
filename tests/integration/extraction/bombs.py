"""Files made to do harm, each as small as it can be, with the reason for which it is rejected.

They are made anew for every test, in a process of their own: see `making`. `HARMLESS` are those
that are read, without what would harm.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from adapters.extraction.content_type import DOCX, PPTX
from adapters.extraction.sample_sheets import container_of, ods_with, xlsx_parts, xlsx_sheet
from adapters.extraction.samples import pdf_of, samples

Bomb = Callable[[], bytes]
MEBIBYTE = 1 << 20
_DENSE = 200  # times: more tightly than documents are packed, and below the limit


def _parts_of(content: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as container:
        return {name: container.read(name) for name in container.namelist()}


def _with(media_type: str, parts: Mapping[str, str | bytes]) -> bytes:
    """A sample with these parts instead of its own, or beside them."""
    return container_of(_parts_of(samples()[media_type]) | dict(parts))


def _seasoned(root: str, content: str) -> str:
    """An element with a comment that cannot be packed, so that the ratio gives nothing away."""
    noise = random.Random(7).randbytes((len(root) + len(content)) // _DENSE + 9).hex()
    return f"<{root}><!--{noise}-->{content}</{root.partition(' ')[0]}>"


def zeros(length: int) -> bytes:
    """So many zero bytes as zlib packs them: one block after the other, over and over."""
    squeeze = zlib.compressobj(9)
    head = squeeze.compress(b"") + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(bytes(MEBIBYTE)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    check, piece = 1, bytes(16 * MEBIBYTE)
    for _ in range(length // len(piece)):
        check = zlib.adler32(piece, check)
    return head + block * (length // MEBIBYTE) + b"\x03\x00" + struct.pack(">L", check)


# Archives


def quoted_overlap(kernel: bytes = bytes(MEBIBYTE)) -> bytes:
    """D. Fifield, "A better zip bomb" (WOOT 2019): every member quotes the headers that follow it,
    so that all of them unpack to the same kernel."""
    names = ["[Content_Types].xml", "word/document.xml", *(f"word/{n}" for n in range(200))]
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    file = squeeze.compress(kernel) + squeeze.flush()
    content, following, entries = kernel, b"", []
    for name in reversed(names):
        if following:
            file = b"\x00" + struct.pack("<HH", len(following), len(following) ^ 0xFFFF) + file
            content = following + content
        crc = zlib.crc32(content)
        fields = (20, 0, 8, 0, 0, crc, len(file), len(content), len(name), 0)
        following = struct.pack("<4s5H3L2H", b"PK\x03\x04", *fields) + name.encode()
        entries.append((name, crc, len(file), len(content), len(following)))
        file = following + file
    directory = b""
    for name, crc, packed, unpacked, header in reversed(entries):
        at = len(file) - packed - header
        fields = (20, 20, 0, 8, 0, 0, crc, packed, unpacked, len(name), 0, 0, 0, 0, 0, at)
        directory += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *fields) + name.encode()
    return file + directory + _end(len(names), len(directory), len(file))


def _end(members: int, length: int, at: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, members, members, length, at, 0)


def full_overlap() -> bytes:
    """Every entry of the directory is the same member."""
    content = bytearray(_with(DOCX, {f"word/{n}": b"x" for n in range(100)}))
    at = content.find(b"PK\x01\x02")
    member = struct.unpack_from("<L", content, at + 42)[0]
    while at >= 0:
        struct.pack_into("<L", content, at + 42, member)
        at = content.find(b"PK\x01\x02", at + 4)
    return bytes(content)


def nested_archives() -> bytes:
    """Ten in each of ten, six deep: terabytes for whoever opens them all."""
    inner = gzip.compress(bytes(4 * MEBIBYTE))
    for _ in range(6):
        inner = container_of({f"{n}.zip": inner for n in range(10)})
    return _with(DOCX, {"word/embeddings/inner.zip": inner})


def size_lie() -> bytes:
    """Unpacks to sixteen mebibytes, and says a hundred bytes."""
    content = bytearray(_with(DOCX, {"word/document.xml": b"<w>" + bytes(16 * MEBIBYTE)}))
    at = content.index(b"word/document.xml", content.find(b"PK\x01\x02")) - 46
    struct.pack_into("<L", content, at + 24, 100)
    return bytes(content)


def long_directory() -> bytes:
    """A directory takes many times its size in memory; nobody may find out that it is damaged."""
    content = samples()[DOCX]
    at = content.rfind(b"PK\x05\x06")
    start = struct.unpack_from("<L", content, at + 16)[0]
    directory = content[start:at] + struct.pack("<4s6H3L5H2L", b"PK\x01\x03", *[0] * 16) * 60_000
    return content[:start] + directory + _end(65_000, len(directory), start)


def word(body: str, before: str = "") -> bytes:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    document = _seasoned(f'w:document xmlns:w="{space}"', f"<w:body>{body}</w:body>")
    return _with(DOCX, {"word/document.xml": before + document})


def slide(shapes: str) -> bytes:
    space = "http://schemas.openxmlformats.org"
    spaces = f'xmlns:p="{space}/presentationml/2006/main" xmlns:a="{space}/drawingml/2006/main"'
    tree = f"<p:spTree><p:nvGrpSpPr/><p:grpSpPr/>{shapes}</p:spTree>"
    content = _seasoned(f"p:sld {spaces}", f"<p:cSld>{tree}</p:cSld>")
    return _with(PPTX, {"ppt/slides/slide1.xml": content})


# Spreadsheets, and what XML can do in any container

LAUGHS = (
    "<!DOCTYPE w [<!ENTITY a '" + "ha" * 999 + "'>"
    + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 99}'>" for n in range(9)) + "]>"
)  # fmt: skip
LOCAL = '<!DOCTYPE w [<!ENTITY j SYSTEM "file:///etc/passwd">]>'
REMOTE = '<!DOCTYPE w PUBLIC "x" "http://127.0.0.1:9/x.dtd">'
PADDING = f"<!--{'x' * 9_000}-->"
FAR_PADDING = f"<!--{'x' * 90_000}-->"


def xlsx(rows: str = "<row/>", sheets: str = "", **related: str) -> bytes:
    """A workbook with these rows, and parts such as sharedStrings that it refers to."""
    parts = xlsx_parts({"One": []})
    relations = "xl/_rels/workbook.xml.rels"
    more = "".join(f'<Relationship Id="{n}" Type="x/{n}" Target="{n}.xml"/>' for n in related)
    parts[relations] = parts[relations].replace("</Relationships>", f"{more}</Relationships>")
    before, _, after = xlsx_sheet(rows).partition(rows)
    noise = random.Random(7).randbytes(len(rows) // _DENSE + 9).hex()
    parts["xl/worksheets/sheet1.xml"] = f"{before}<!--{noise}-->{rows}{after}"
    if sheets:
        parts["xl/workbook.xml"] = _seasoned("workbook", sheets)
    return container_of(parts | {f"xl/{name}.xml": part for name, part in related.items()})


def ods(rows: str) -> bytes:
    noise = random.Random(7).randbytes(len(rows) // _DENSE + 9).hex()
    return ods_with(f'<!--{noise}--><table:table table:name="One">{rows}</table:table>')


def ods_content(content: str) -> bytes:
    return container_of(_parts_of(ods("")) | {"content.xml": content})


def _cell(text: str, repeated: int = 1) -> str:
    times = f'table:number-columns-repeated="{repeated}"'
    said = f"<text:p>{text}</text:p>"
    return f'<table:table-cell office:value-type="string" {times}>{said}</table:table-cell>'


def _row(cells: str, repeated: int = 1) -> str:
    return f'<table:table-row table:number-rows-repeated="{repeated}">{cells}</table:table-row>'


# PDF


def pdf(*objects: str | bytes) -> bytes:
    """Objects from 1, the first of them the catalogue. There is no table: PDFium makes one up."""
    content = b"%PDF-1.7\n"
    for number, each in enumerate(objects, start=1):
        raw = each.encode() if isinstance(each, str) else each
        content += b"%d 0 obj\n%s\nendobj\n" % (number, raw)
    return content + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def stream(content: bytes, entries: str = "") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries.encode(), content)


def page(contents: str | bytes, *more: str | bytes, kids: str = "3 0 R") -> bytes:
    """One page, whose contents are object 4; object 5 is its picture, font and form."""
    both = "/XObject << /X 5 0 R >> /Font << /F 5 0 R >>"
    of_page = "/Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R"
    return pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count 1 >>",
        f"<< {of_page} /Resources << {both} >> >>",
        contents,
        *more,
    )


def deflated(length: int, times: int) -> bytes:
    """So many zero bytes, deflated again and again."""
    content = zeros(length)
    for _ in range(times - 1):
        content = zlib.compress(content, 9)
    return stream(content, "/Filter [" + "/FlateDecode " * times + "]")


def shown(drawn: bytes, times: int) -> bytes:
    """The contents of a page that draws this many times."""
    content = b"BT /F 9 Tf " + drawn * times + b" ET"
    return stream(zlib.compress(content, 9), "/Filter /FlateDecode")


def object_stream(extends: str = "", *, within_itself: bool = False) -> bytes:
    """A whole document in an object stream, which says of itself where it lies."""
    resources = "/Resources << /Font << /F 4 0 R >> >>"
    inner = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 6 0 R {resources} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    starts = [sum(len(each) + 1 for each in inner[:n]) for n in range(4)]
    index = " ".join(f"{n + 1} {at}" for n, at in enumerate(starts)) + " "
    entries = f"/Type /ObjStm /N 4 /First {len(index)} {extends}"
    packed = stream((index + " ".join(inner)).encode(), entries)
    content, places = b"%PDF-1.7\n", {}
    for number, each in ((5, packed), (6, stream(b"BT /F 9 Tf (words) Tj ET"))):
        places[number] = (1, len(content), 0)
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    if within_itself:
        places[5] = (2, 5, 0)
    table = [(0, 0, 0), *((2, 5, at) for at in range(4)), places[5], places[6]]
    rows = b"".join(struct.pack(">BHB", *each) for each in table)
    start = len(content)
    entries = "/Type /XRef /Size 7 /W [1 2 1] /Root 1 0 R"
    return content + b"7 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        stream(rows, entries),
        start,
    )


def stream_of_itself() -> bytes:
    """The length and the filter of a stream are the stream."""
    own = b"<< /Length 4 0 R /Filter 4 0 R >>\nstream\nBT ET\nendstream"
    return page(own).replace(b"<< /X 5 0 R >>", b"4 0 R")


def tables_in_a_loop() -> bytes:
    """The cross-reference table has itself as the one before."""
    content = pdf_of([["words"]])
    return content.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % content.rfind(b"xref\n0 "))


def huge_image(width: int) -> bytes:
    size = f"/Width {width} /Height {width} /ColorSpace /DeviceRGB /BitsPerComponent 8"
    picture = stream(zeros(16 * MEBIBYTE), f"/Subtype /Image {size} /Filter /FlateDecode")
    drawn = stream(b"/X Do BT /G 9 Tf (words) Tj ET")
    font = "/Font << /G << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> "
    return page(drawn, picture).replace(b"/Font <<", font.encode() + b"/Old <<", 1)


def form_in_itself() -> bytes:
    """A form that draws itself twice: two to the power of however deep one looks."""
    own = "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"
    return page(stream(b"/X Do"), stream(b"/X Do /X Do", own))


def huge_png() -> bytes:
    """Four gigapixels in a few kilobytes."""
    head = struct.pack(">IIBBBBB", 65_535, 65_535, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zeros(16 * MEBIBYTE)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


# Mail

_FROM = b"From: a@example.org\nTo: b@example.org\nDate: Tue, 03 Feb 2026 10:00:00 +0100\n"
_MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"


def mail_in_mail(levels: int) -> bytes:
    return (_FROM + b"Content-Type: message/rfc822\n\n") * levels + _FROM + b"\nwords\n"


def multiparts(levels: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels)
    )
    closed = b"".join(b"--b%d--\n" % n for n in reversed(range(levels)))
    return _FROM + opened + b"\n" + b"words\n" * 10_000 + closed


def mail_with(content: bytes, times: int = 1) -> bytes:
    attached = (
        b"\n--b\nContent-Type: application/octet-stream; name=a.bin\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(content)
    )
    return _FROM + _MIXED + b"--b\n\nwords" + attached * times + b"\n--b--\n"


def base64_in_base64(levels: int) -> bytes:
    content = _FROM + b"\nwords\n"
    for _ in range(levels):
        head = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        content = _FROM + head + base64.encodebytes(content)
    return content


_ENTITIES, _DEEP, _LARGE = "declares entities", "levels deep|damaged", "more than 16 MiB of text"
_RATIO, _ELEMENTS = "more than 250 times its size", "more than 3,000,000 elements"
_NOISE = random.Random(7).randbytes(9_999) * 99
_FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def _packed() -> bytes:
    return bytes(32 * MEBIBYTE)


BOMBS: Mapping[str, tuple[Bomb, str]] = {
    "zip: members that overlap, quoted": (quoted_overlap, f"{_RATIO}|overlap"),
    "zip: members that overlap, quoted, loosely": (
        lambda: quoted_overlap(kernel=_NOISE),
        "parts of the file overlap",
    ),
    "zip: members that overlap, in full": (full_overlap, "parts of the file overlap"),
    "zip: a thousand times its size": (lambda: _with(DOCX, {"word/x.bin": _packed()}), _RATIO),
    "zip: more than it says": (size_lie, "damaged"),
    "zip: six thousand members": (
        lambda: _with(DOCX, {f"x{n}": b"" for n in range(6_000)}),
        "more than 5,000 parts",
    ),
    "zip: a long directory": (long_directory, "more than 5,000 parts"),
    "docx: billion laughs": (lambda: word("&j;", LAUGHS), _ENTITIES),
    "docx: billion laughs, padded": (lambda: word("&j;", PADDING + LAUGHS), _ENTITIES),
    "docx: billion laughs, far away": (lambda: word("&j;", FAR_PADDING + LAUGHS), "damaged"),
    "docx: a file as an entity": (lambda: word("&j;", LOCAL), _ENTITIES),
    "docx: nested deeply": (lambda: word("<w>" * 99_999 + "</w>" * 99_999), _DEEP),
    "docx: many elements": (lambda: word("<w:p/>" * 3_000_001), _ELEMENTS),
    "pptx: groups nested deeply": (
        lambda: slide("<p:grpSp>" * 50_000 + "</p:grpSp>" * 50_000),
        _DEEP,
    ),
    "pptx: an image that unpacks": (lambda: _with(PPTX, {"ppt/media/x.bmp": _packed()}), _RATIO),
    "xlsx: many cells": (lambda: xlsx(f"<row>{'<c/>' * 3_000_001}</row>"), _ELEMENTS),
    "xlsx: too many rows": (
        lambda: xlsx("<row><c><v>1</v></c></row>" * 101_000),
        "more than 100,000 rows",
    ),
    "xlsx: a million columns": (
        lambda: xlsx(f"<row>{'<c><v>1</v></c>' * 999_999}</row>"),
        "more than 16,384 columns",
    ),
    "xlsx: a cell of 25 mebibytes": (
        lambda: xlsx(f'<row><c t="str"><v>{"word " * 5 * MEBIBYTE}</v></c></row>'),
        "more than 100,000 characters in one cell",
    ),
    "xlsx: 25 mebibytes of strings": (
        lambda: xlsx(sharedStrings=_seasoned("sst", f"<si><t>{'word ' * 999}</t></si>" * 5_200)),
        _LARGE,
    ),
    "xlsx: one long string in many cells": (
        lambda: xlsx(
            '<row><c t="s"><v>0</v></c></row>' * 9_999,
            sharedStrings=_seasoned("sst", f"<si><t>{'word ' * 999}</t></si>"),
        ),
        _LARGE,
    ),
    "xlsx: many strings": (
        lambda: xlsx(sharedStrings=_seasoned("sst", "<si/>" * 3_000_001)),
        _ELEMENTS,
    ),
    "xlsx: a million styles": (
        lambda: xlsx(styles=_seasoned("s", f"<cellXfs>{'<xf/>' * 999_999}</cellXfs>")),
        "more than 65,536 styles",
    ),
    "xlsx: many sheets": (
        lambda: xlsx(sheets='<sheet name="x"/>' * 99_999),
        "more than 500 sheets",
    ),
    "xlsx: billion laughs": (lambda: xlsx(sharedStrings=LAUGHS + "<sst>&j;</sst>"), _ENTITIES),
    "xlsx: billion laughs, padded": (
        lambda: xlsx(sharedStrings=PADDING + LAUGHS + "<sst>&j;</sst>"),
        _ENTITIES,
    ),
    "xlsx: a document type from elsewhere": (lambda: xlsx(styles=f"{REMOTE}<s/>"), _ENTITIES),
    "ods: a row, a million times": (lambda: ods(_row(_cell("x"), 1 << 20)), "100,000 rows"),
    "ods: a cell, a billion times": (lambda: ods(_row(_cell("x", 999_999_999))), "16,384 columns"),
    "ods: both": (lambda: ods(_row(_cell("x", 16_384), 1 << 20)), "more than 1,000,000 cells"),
    "ods: many rows": (lambda: ods("<table:table-row/>" * 3_000_001), _ELEMENTS),
    "ods: billion laughs": (lambda: ods_content(LAUGHS + "<w>&j;</w>"), _ENTITIES),
    "ods: a file, padded": (lambda: ods_content(f"{PADDING}{LOCAL}<w>&j;</w>"), _ENTITIES),
    "ods: nested deeply": (lambda: ods("<text:p>" * 99_999), _DEEP),
    "pdf: pages in a loop": (lambda: page(stream(b""), kids="2 0 R"), "damaged"),
    "pdf: a billion pages": (
        lambda: page(stream(b"")).replace(b"/Count 1 ", b"/Count 1000000000 "),
        "damaged|pages",
    ),
    "pdf: a stream of two gibibytes": (lambda: page(deflated(2 << 30, 2)), "makes its reader fail"),
    "pdf: thirty filters": (lambda: page(deflated(16 * MEBIBYTE, 30)), "no text"),
    "pdf: a stream of itself": (stream_of_itself, "damaged|no text"),
    "pdf: a form in itself": (form_in_itself, "makes its reader fail|longer than|no text"),
    "pdf: one page again and again": (
        lambda: page(stream(b""), kids="3 0 R " * 3_000).replace(b"/Count 1 ", b"/Count 3000 "),
        "more than 2,000 pages",
    ),
    "pdf: arrays nested deeply": (lambda: page(b"[" * MEBIBYTE), "damaged"),
    "html: nested deeply": (
        lambda: b"<!doctype html>" + b"<div>" * 100_000 + b"words",
        "more than 512 levels deep",
    ),
    "json: a million levels": (lambda: b"[" * MEBIBYTE + b"]" * MEBIBYTE, "nested too deeply"),
    "json: five hundred levels": (lambda: b'{"a":' * 500 + b"1" + b"}" * 500, "100 levels deep"),
    "json: a number of a million digits": (
        lambda: b'{"a": ' + b"9" * 999_999 + b"}",
        "more than 1,000 digits in one number",
    ),
    "json: a million lists": (
        lambda: b"[" + b"[]," * MEBIBYTE + b"[]]",
        "more than 1,000,000 values",
    ),
    "json lines: too many": (lambda: b'{"a": 1}\n' * 101_000, "more than 100,000 lines"),
    "csv: a cell of three mebibytes": (
        lambda: b'a,b\n1,2\n3,"' + b"word " * 600_000,
        "more than 100,000 characters in one cell",
    ),
    "csv: a million columns": (
        lambda: b"a,b\n" * 20_000 + b"," * MEBIBYTE + b"x\n",
        "more than 16,384 columns",
    ),
    "csv: too many rows": (lambda: b"a,b\n" * 101_000, "more than 100,000 rows"),
    "mail: a thousand in each other": (lambda: mail_in_mail(1_000), "more than 30 levels"),
    "mail: a thousand multiparts": (lambda: multiparts(1_000), "more than 30 levels"),
    "mail: base64 in base64": (lambda: base64_in_base64(31), "more than 30 levels"),
    "mail: a hundred thousand parts": (
        lambda: _FROM + _MIXED + b"--b\n\nx\n" * 99_999,
        "more than 500 parts",
    ),
    "mail: a long header": (
        lambda: _FROM + b"X: y\n" * 99_999 + b"\nwords",
        "more than 262,144 bytes in one header",
    ),
}

HARMLESS: Mapping[str, tuple[Bomb, str]] = {
    "zip: archives in archives": (nested_archives, "three"),
    "docx: gzip within": (lambda: _with(DOCX, {"word/x.gz": gzip.compress(_packed())}), "three"),
    "pptx: an image of four gigapixels": (
        lambda: _with(PPTX, {"ppt/media/x.png": huge_png()}),
        "three",
    ),
    "xlsx: a cell at the far end": (
        lambda: xlsx('<row r="1048576"><c r="XFD1048576"><v>77</v></c></row>'),
        "77",
    ),
    "xlsx: a dimension that lies": (
        lambda: xlsx('</sheetData><dimension ref="A1:XFD1048576"/><sheetData>'
                     "<row><c><v>77</v></c></row>"),
        "77",
    ),
    "ods: a billion blanks": (
        lambda: ods(_row(_cell('<text:s text:c="999999999"/>words'))),
        "words",
    ),
    "ods: empty rows to the end": (
        lambda: ods(_row(_cell("words")) + _row(_cell("", 999_999_999), 999_999_999)),
        "words",
    ),
    "pdf: tables in a loop": (tables_in_a_loop, "words"),
    "pdf: an object stream that extends itself": (lambda: object_stream("/Extends 5 0 R"), "words"),
    "pdf: an object stream within itself": (lambda: object_stream(within_itself=True), "words"),
    "pdf: a map of a billion characters": (
        lambda: page(
            shown(b"(words) Tj ", 1),
            _FONT.replace(">>", "/ToUnicode 6 0 R >>"),
            shown(b"1 beginbfrange <0000> <FFFF> <0000> endbfrange ", 20_000),
        ),
        "",
    ),
    "pdf: an image of ten gigapixels": (lambda: huge_image(100_000), "words"),
    "json: long names nested deeply": (
        lambda: b"".join(b'{"%s":' % (b"k" * 299) for _ in range(99)) + b'"words"' + b"}" * 99,
        "words",
    ),
    "mail: a bomb attached": (lambda: mail_with(quoted_overlap()), "words"),
    "mail: a hundred bombs attached": (lambda: mail_with(word("&j;", LAUGHS), 99), "words"),
    "mail: gzip attached": (lambda: mail_with(gzip.compress(_packed())), "words"),
    "mail: thousands of encoded words": (
        lambda: _FROM + b"Subject: " + b"=?utf-8?q?x?=" * 15_000 + b"\n\nwords",
        "words",
    ),
}  # fmt: skip


def made(name: str) -> bytes:
    """One of them by its name."""
    return {**BOMBS, **HARMLESS}[name][0]()


@contextmanager
def making() -> Iterator[Callable[[str], Awaitable[bytes]]]:
    """Makes bombs in another process, so that they cost this one nothing but themselves."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as makers:
        yield lambda name: asyncio.wrap_future(makers.submit(made, name))
