"""Hostile documents against the real child processes: each harms nothing but itself."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import zipfile
import zlib
from collections.abc import AsyncIterator
from io import BytesIO

import psutil
import pytest

from adapters.extraction.content_type import DOCX, HTML, MARKDOWN, PDF, PLAIN_TEXT
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.process import ProcessExtractor
from adapters.extraction.samples import pdf_of, samples
from domain.errors import Unavailable
from domain.retrieval.rejection import DocumentRejected

_SLOW = b"# x\n\n" + b"*a* **b** [c](d) `e`\n\n" * 300_000  # about ten seconds of work


@pytest.fixture
async def extractor() -> AsyncIterator[ProcessExtractor]:
    extractor = ProcessExtractor()
    yield extractor
    await extractor.close()


def _limited(**limits: float) -> ProcessExtractor:
    return ProcessExtractor(ExtractionLimits(**limits))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _others() -> None:
    """Other tests of this run may have extraction processes of their own."""
    _not_ours.clear()
    _not_ours.update(each.pid for each in _waiting_processes())


_not_ours: set[int] = set()


def _waiting_processes() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "adapters.extraction.child" in child.cmdline()
    ]


def _children(depth: int) -> list[psutil.Process]:
    """The waiting processes (1) or their readers (2) of this test."""
    waiting = [each for each in _waiting_processes() if each.pid not in _not_ours]
    return waiting if depth == 1 else [reader for one in waiting for reader in one.children()]


async def _until_reading() -> psutil.Process:
    async with asyncio.timeout(10):
        while True:
            readers = _children(2)
            if readers and readers[0].cpu_times().user > 0.2:
                return readers[0]
            await asyncio.sleep(0.02)


async def _until_gone(process: psutil.Process) -> None:
    async with asyncio.timeout(5):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_every_sample_is_read_in_a_confined_process(extractor: ProcessExtractor) -> None:
    read = await asyncio.gather(
        *(extractor.extract(content, kind) for kind, content in samples().items())
    )
    assert all(extracted.text.startswith("One") for extracted in read)


async def test_the_processes_see_no_environment(extractor: ProcessExtractor) -> None:
    await extractor.start()
    (waiting,) = _children(1)
    assert set(waiting.environ()) <= {"LC_ALL", "LC_CTYPE"}


def _docx_with(document_xml: bytes) -> bytes:
    file = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(samples()[DOCX])) as good,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for member in good.infolist():
            own = member.filename == "word/document.xml"
            bad.writestr(member.filename, document_xml if own else good.read(member))
    return file.getvalue()


def _pdf_with(stream: bytes, kids: str = "3 0 R", count: int = 1, trailer: str = "") -> bytes:
    """No cross-reference table: PDFium rebuilds it."""
    head = (
        f"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        f"2 0 obj\n<< /Type /Pages /Kids [{kids}] /Count {count} >>\nendobj\n"
        "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R >>\nendobj\n"
        f"4 0 obj\n<< /Length {len(stream)} /Filter [/FlateDecode /FlateDecode] >>\nstream\n"
    )
    tail = f"\nendstream\nendobj\ntrailer << /Size 5 /Root 1 0 R {trailer} >>\n%%EOF\n"
    return head.encode() + stream + tail.encode()


def _twice_deflated(length: int) -> bytes:
    squeeze = zlib.compressobj(9)
    block = bytes(1 << 20)
    once = b"".join(squeeze.compress(block) for _ in range(length >> 20)) + squeeze.flush()
    return zlib.compress(once, 9)


_ENCRYPTED = (
    "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /Length 40 "
    f"/O <{'ab' * 32}> /U <{'cd' * 32}> >> /ID [<{'00' * 16}> <{'00' * 16}>]"
)
_LAUGHS = (
    b"<!DOCTYPE w [<!ENTITY a '"
    + b"ha" * 999
    + b"'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 99) for n in range(9))
    + b"]><w>&j;</w>"
)
_PADDED_LAUGHS = b"<!--" + b"x" * 9_000 + b"-->" + _LAUGHS

_BOMBS = {
    "entities": (_docx_with(_LAUGHS), DOCX),
    "entities after padding": (_docx_with(_PADDED_LAUGHS), DOCX),
    "entity naming a file": (
        _docx_with(b'<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><w>&x;</w>'),
        DOCX,
    ),
    "huge ratio": (_docx_with(b"<w>" + b" " * (90 << 20) + b"</w>"), DOCX),
    "elements nested deeply": (_docx_with(b"<w>" * 100_000 + b"</w>" * 100_000), DOCX),
    "pdf with a password": (_pdf_with(b"", trailer=_ENCRYPTED), PDF),
    "pdf cut short": (pdf_of([["One"]])[:200], PDF),
    "pdf page tree in a loop": (_pdf_with(b"", kids="2 0 R"), PDF),
    "pdf that claims a billion pages": (_pdf_with(b"", count=10**9), PDF),
    "pdf stream of a gigabyte": (_pdf_with(_twice_deflated(1 << 30)), PDF),
    "not an archive": (b"PK\x03\x04" + bytes(100), DOCX),
    "no text at all": (b"<script>x</script>", HTML),
    "not text": (b"\xff\xfe\x00\xd8", PLAIN_TEXT),
    "unknown type": (b"x", "image/png"),
}


async def test_bombs_are_refused_with_a_reason_and_neighbours_go_on(
    extractor: ProcessExtractor,
) -> None:
    await extractor.extract(b"warm", PLAIN_TEXT)
    before = psutil.Process().memory_info().rss
    for name, (content, media_type) in _BOMBS.items():
        bomb, neighbour = await asyncio.gather(
            extractor.extract(content, media_type),
            extractor.extract(samples()[DOCX], DOCX),
            return_exceptions=True,
        )
        assert isinstance(bomb, DocumentRejected), name
        assert bomb.message.endswith("."), name
        assert not isinstance(neighbour, BaseException), name
    assert psutil.Process().memory_info().rss - before < 50 << 20
    assert len(_children(1)) == 1


async def test_memory_is_limited() -> None:
    hog = _limited(memory_bytes_max=48 << 20)
    try:
        with pytest.raises(DocumentRejected, match=r"memory|fail"):
            await hog.extract(b"<p>words</p>" * 2_000_000, HTML)
        assert (await hog.extract(b"One", PLAIN_TEXT)).text == "One"
    finally:
        await hog.close()


@pytest.mark.parametrize("limit", [{"cpu_seconds_max": 1}, {"wall_seconds_max": 0.5}], ids=str)
async def test_time_is_limited(limit: dict[str, float]) -> None:
    slow = _limited(**limit)
    try:
        await slow.start()
        began = time.monotonic()
        outcome, neighbour = await asyncio.gather(
            slow.extract(_SLOW, MARKDOWN), slow.extract(b"One", PLAIN_TEXT), return_exceptions=True
        )
        assert isinstance(outcome, DocumentRejected)
        assert "longer than is allowed" in outcome.message
        assert not isinstance(neighbour, BaseException)
        assert time.monotonic() - began < 5
    finally:
        await slow.close()


async def test_a_reader_killed_from_outside_is_tried_once_more(extractor: ProcessExtractor) -> None:
    reading = asyncio.create_task(extractor.extract(_SLOW, MARKDOWN))
    first = await _until_reading()
    first.kill()
    await _until_gone(first)
    (await _until_reading()).kill()
    with pytest.raises(DocumentRejected, match="makes its reader fail"):
        await reading
    assert (await extractor.extract(b"One", PLAIN_TEXT)).text == "One"


async def test_a_crash_of_the_parser_refuses_that_document(extractor: ProcessExtractor) -> None:
    reading = asyncio.create_task(extractor.extract(_SLOW, MARKDOWN))
    (await _until_reading()).send_signal(signal.SIGSEGV)
    with pytest.raises(DocumentRejected, match="makes its reader fail"):
        await reading


@pytest.mark.slow
async def test_the_waiting_process_is_started_anew_when_it_was_killed(
    extractor: ProcessExtractor,
) -> None:
    await extractor.start()
    (waiting,) = _children(1)
    waiting.kill()
    assert (await extractor.extract(b"One", PLAIN_TEXT)).text == "One"
    reading = asyncio.create_task(extractor.extract(_SLOW[:700_000], MARKDOWN))
    reader = await _until_reading()
    _children(1)[0].kill()
    assert (await reading).text.startswith("x")
    await _until_gone(reader)


async def test_cancelling_ends_the_reader(extractor: ProcessExtractor) -> None:
    reading = asyncio.create_task(extractor.extract(_SLOW, MARKDOWN))
    reader = await _until_reading()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await _until_gone(reader)


async def test_closing_ends_everything() -> None:
    extractor = ProcessExtractor()
    reading = asyncio.create_task(extractor.extract(_SLOW, MARKDOWN))
    reader = await _until_reading()
    (waiting,) = _children(1)
    await extractor.close()
    await _until_gone(waiting)
    await _until_gone(reader)
    with pytest.raises(Unavailable):
        await reading
    with pytest.raises(Unavailable):
        await extractor.extract(b"One", PLAIN_TEXT)


_PARENT = """
import asyncio
from adapters.extraction.process import ProcessExtractor
async def main():
    extractor = ProcessExtractor()
    await extractor.start()
    print("started", flush=True)
    await extractor.extract(b"# x\\n\\n" + b"*a* **b** [c](d)\\n\\n" * 300_000, "text/markdown")
asyncio.run(main())
"""


async def test_the_processes_end_when_the_service_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        await parent.stdout.readline()
        await asyncio.sleep(0.3)
        (waiting,) = psutil.Process(parent.pid).children()
        readers = waiting.children()
    finally:
        parent.kill()
        await parent.wait()
    for process in (waiting, *readers):
        await _until_gone(process)
    assert len(readers) == 1
