"""Real questions on real text, with the embedder that is shipped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import ir_measures
import pytest
from ir_measures import Qrel, ScoredDoc, nDCG

from adapters.embedding.minilm import MiniLMEmbedder
from application.retrieval.meaning import Meanings
from domain.retrieval.query import SearchMode, SearchQuery
from tests.integration.retrieval.library import Library

QUESTIONS = 120
# A regression shows as a fall of tenths; numbers of rank are settled by the benchmark.
FLOORS = {SearchMode.KEYWORD: 0.85, SearchMode.SEMANTIC: 0.85, SearchMode.HYBRID: 0.90}


@pytest.mark.slow
async def test_questions_find_their_paragraph(
    library: Library, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    collection = shared_data / "collections" / "xquad_en"
    minilm = MiniLMEmbedder(tmp_path_factory.mktemp("models"))
    await minilm.warm()
    index_version = replace(library.container.index_version(), embedder=minilm)
    search = replace(library.container.search(), meanings=Meanings(embedder=minilm))
    asha = await library.person()
    names = {}
    for line in (collection / "corpus.jsonl").read_text().splitlines():
        document = json.loads(line)
        ref = await library.hand_in(asha, document["text"], title=document["title"] or "Untitled")
        await index_version(caller=asha, version=ref)
        names[ref.document_id] = document["_id"]
    lines = (collection / "queries.jsonl").read_text().splitlines()
    questions = [json.loads(line) for line in lines[:: len(lines) // QUESTIONS]]
    asked = {question["_id"] for question in questions}
    rows = (line.split("\t") for line in (collection / "qrels.tsv").read_text().splitlines()[1:])
    qrels = [Qrel(query, name, int(score)) for query, name, score in rows if query in asked]
    for mode, floor in FLOORS.items():
        run = []
        for question in questions:
            page = await search(
                caller=asha, query=SearchQuery(text=question["text"], limit=20, mode=mode)
            )
            assert page.mode is mode
            best: dict[str, float] = {}
            for hit in page.hits:
                name = names[hit.passage.version.document_id]
                best[name] = max(best.get(name, 0.0), hit.score)
            run += [ScoredDoc(question["_id"], name, score) for name, score in best.items()]
        quality = ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10]
        assert quality >= floor, mode
    await minilm.close()
