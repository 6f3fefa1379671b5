"""The same documents in five formats say the same words, in the same order."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
from pathlib import Path

import pytest

from adapters.extraction.content_type import HEAD_BYTES, TAIL_BYTES, media_type_of
from adapters.extraction.process import ProcessExtractor
from domain.retrieval.chunking import split_into_chunks

_ROOT = Path(__file__).resolve().parents[3]
_SHARED = Path(os.environ.get("STRONGROOM_SHARED_DATA") or _ROOT.parent / "shared" / "data")
_FILES = _SHARED / "files" / "CloudWay-24"


@pytest.mark.skipif(not _FILES.is_dir(), reason="the shared collection CloudWay-24 is not here")
async def test_every_document_is_read_alike_from_all_five_formats() -> None:
    extractor = ProcessExtractor()
    agreement: dict[str, list[float]] = {"html": [], "docx": [], "pdf": [], "pptx": []}
    try:
        for source in sorted((_FILES / "md").glob("[!.]*.md")):
            words = await _words(extractor, source)
            for kind, found in agreement.items():
                other = await _words(extractor, _FILES / kind / f"{source.stem}.{kind}")
                match = difflib.SequenceMatcher(None, words, other, autojunk=False)
                found.append(match.ratio())
    finally:
        await extractor.close()
    for kind, found in agreement.items():
        assert len(found) == 37
        assert sum(found) / len(found) > 0.99, kind
        assert min(found) > 0.97, kind


async def _words(extractor: ProcessExtractor, path: Path) -> list[str]:
    content = await asyncio.to_thread(path.read_bytes)
    media_type = media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])
    assert media_type is not None, path.name
    extracted = await extractor.extract(content, media_type)
    assert split_into_chunks(extracted)
    return re.findall(r"\w+", extracted.text.lower())
