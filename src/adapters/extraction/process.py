"""Reads documents in confined processes, so that a hostile one harms nothing but itself."""

from __future__ import annotations

import asyncio
import signal

import structlog

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.waiting_process import (
    ReaderEnded,
    WaitingProcess,
    WaitingProcessEnded,
)
from adapters.extraction.wire import Rejected, decode_answer
from domain.errors import Unavailable
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import READER_FAILED, TOO_LONG, DocumentRejected, larger_than

_NOT_NOW = "Documents cannot be read at the moment."
_OUT_OF_TIME = frozenset({signal.SIGXCPU, signal.SIGALRM})
# Sent by an operator, or by a system short of memory: that may not be the document's doing.
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM})
_ATTEMPTS_MAX = 2

_log = structlog.get_logger(__name__)


class ProcessExtractor:
    """An Extractor over one waiting process, which it starts, and starts anew when it ends.

    At most `limits.concurrent_max` documents are read at a time; others wait their turn.
    """

    def __init__(self, limits: ExtractionLimits | None = None) -> None:
        self._limits = limits or ExtractionLimits()
        self._turns = asyncio.Semaphore(self._limits.concurrent_max)
        self._starting = asyncio.Lock()
        self._waiting: WaitingProcess | None = None
        self._closed = False

    async def start(self) -> None:
        """Start the waiting process now rather than at the first document."""
        await self._ready()

    async def extract(self, content: bytes, media_type: str) -> ExtractedText:
        if len(content) > self._limits.content_bytes_max:
            raise larger_than(self._limits.content_bytes_max)
        async with self._turns:
            payload = await self._read(content, media_type)
            return await asyncio.to_thread(_opened, payload)

    async def close(self) -> None:
        """End every process; later calls raise Unavailable."""
        self._closed = True
        async with self._starting:
            if self._waiting is not None:
                await self._waiting.stop()
                self._waiting = None

    async def _read(self, content: bytes, media_type: str) -> bytes:
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                waiting = await self._ready()
                return await waiting.read(content, media_type)
            except WaitingProcessEnded:
                _log.warning("extraction_process_ended")
            except TimeoutError:
                raise DocumentRejected(TOO_LONG) from None
            except ReaderEnded as ended:
                _log.info("extraction_reader_ended", signal=ended.signal_number)
                if ended.signal_number in _FROM_OUTSIDE and attempt < _ATTEMPTS_MAX:
                    continue
                out_of_time = ended.signal_number in _OUT_OF_TIME
                raise DocumentRejected(TOO_LONG if out_of_time else READER_FAILED) from None
        raise Unavailable(_NOT_NOW)

    async def _ready(self) -> WaitingProcess:
        async with self._starting:
            if self._closed:
                raise Unavailable(_NOT_NOW)
            if self._waiting is not None and not self._waiting.alive:
                await self._waiting.stop()
                self._waiting = None
            if self._waiting is None:
                self._waiting = await WaitingProcess.start(self._limits)
            return self._waiting


def _opened(payload: bytes) -> ExtractedText:
    try:
        answer = decode_answer(payload)
    except ValueError:  # a reader that was taken over may answer anything
        raise DocumentRejected(READER_FAILED) from None
    if isinstance(answer, Rejected):
        if answer.cause is not None:
            _log.info("extraction_failed", cause=answer.cause)
        raise DocumentRejected(answer.reason)
    return answer
