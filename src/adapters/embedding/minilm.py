"""all-MiniLM-L6-v2 inside this process: English, 384 dimensions, no network, no accelerator."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from adapters.embedding.minilm_file import NAME, Report, built_model
from adapters.embedding.minilm_weights import DIMENSIONS, TOKENIZER, TOKENS_MAX, published_file
from application.retrieval.embedder import EmbedderUnavailable, Vector
from domain.language import ENGLISH

QUERIES_WAITING_MAX = 64

_CHARACTERS_MAX = 32_768
_PASSAGES_AHEAD = 32
_RETRY_SECONDS = 30.0
_PASSAGES_NICENESS = 10


class MiniLMEmbedder:
    """An Embedder that runs the quantized model on threads of its own.

    Texts beyond 256 tokens are cut. Each text is one inference on one thread: passages run
    `threads` at a time, and queries on a thread beside them, so that a query waits for other
    queries but never for a passage. onnxruntime lets go of the interpreter lock meanwhile.

    The model is loaded at the first use (some seconds when it has yet to be built, else 0.2 s)
    or by `warm()`; a failure to load is repeated to every caller for half a minute before the
    next attempt. Holds about 120 MB once loaded, whatever the size of what is embedded.
    """

    model = NAME
    dimensions = DIMENSIONS
    languages = frozenset({ENGLISH})

    def __init__(
        self, directory: Path, *, threads: int | None = None, report: Report = lambda stage: None
    ) -> None:
        """`directory` keeps the built model. `threads` is one per processor unless given.

        `report` is told the stages of a build, from another thread.
        """
        self._directory = directory
        self._report = report
        self._passages = ThreadPoolExecutor(
            threads or os.cpu_count() or 1, "embed-passages", initializer=_yield_to_others
        )
        self._queries = ThreadPoolExecutor(1, "embed-queries")
        self._queries_waiting = 0
        self._loading = threading.Lock()
        self._loaded: Callable[[str], Vector] | None = None
        self._failure: EmbedderUnavailable | None = None
        self._retry_at = 0.0
        self._closed = False

    async def warm(self) -> None:
        """Build and load the model now. Raises EmbedderUnavailable, with what to do about it."""
        await self._on(self._queries, "")

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        vectors: list[Vector] = []
        # In strides, so that a whole book neither fills the queue before other documents nor
        # has to be taken back from it when the caller gives up.
        for start in range(0, len(texts), _PASSAGES_AHEAD):
            stride = texts[start : start + _PASSAGES_AHEAD]
            vectors += await asyncio.gather(*(self._on(self._passages, text) for text in stride))
        return vectors

    async def embed_query(self, text: str) -> Vector:
        if self._queries_waiting >= QUERIES_WAITING_MAX:
            raise EmbedderUnavailable("Too many queries wait for the embedding model.")
        self._queries_waiting += 1
        try:
            return await self._on(self._queries, text)
        finally:
            self._queries_waiting -= 1

    async def close(self) -> None:
        """Finish what runs, refuse what comes, give the memory back."""
        self._closed = True
        for threads in (self._queries, self._passages):
            await asyncio.to_thread(threads.shutdown)
        self._loaded = None

    async def _on(self, threads: ThreadPoolExecutor, text: str) -> Vector:
        if self._closed:
            raise EmbedderUnavailable("The embedding model is closed.")
        return await asyncio.get_running_loop().run_in_executor(threads, self._embed, text)

    def _embed(self, text: str) -> Vector:
        embed = self._loaded or self._load()
        return embed(text)

    def _load(self) -> Callable[[str], Vector]:
        with self._loading:
            if self._loaded is not None:
                return self._loaded
            if self._failure is not None and time.monotonic() < self._retry_at:
                raise type(self._failure)(self._failure.message)
            try:
                self._loaded = _model(self._directory, self._report)
            except EmbedderUnavailable as failure:
                self._failure, self._retry_at = failure, time.monotonic() + _RETRY_SECONDS
                raise
            return self._loaded


def _model(directory: Path, report: Report) -> Callable[[str], Vector]:
    # Imported here so that a process that never embeds pays neither the time nor the memory.
    import numpy
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(published_file(TOKENIZER)))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_mem_pattern = False  # it remembers a plan for every length ever seen
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        built_model(directory, report), options, providers=["CPUExecutionProvider"]
    )

    def embed(text: str) -> Vector:
        # What is cut here is far beyond 256 tokens of any prose, and costs the tokenizer a
        # second per megabyte. Lone surrogates are valid in a string and not in UTF-8.
        readable = text[:_CHARACTERS_MAX].encode("utf-8", "replace").decode("utf-8")
        tokens = numpy.asarray(tokenizer.encode(readable).ids, dtype=numpy.int64)
        (vector,) = session.run(None, {"tokens": tokens})
        return array("f", vector.tobytes())

    return embed


def _yield_to_others() -> None:
    """Let requests and queries go before passages when processors are scarce."""
    if sys.platform == "linux":  # elsewhere a niceness belongs to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PASSAGES_NICENESS)
