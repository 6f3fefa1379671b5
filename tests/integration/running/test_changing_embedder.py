"""A deployment gets another embedder, is killed while it moves, and serves all the while."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.integration.running.people import Person, signed_up
from tests.integration.running.program import Program, command, ending
from tests.scripted_embeddings import EmbeddingServer, Request, embedding_server

WORDS = ["cedar", "willow", "poplar", "alder", "hazel", "rowan"]
REQUEST_SECONDS = 0.4
MOVE_SECONDS_MAX = 180.0
WIDE = 512


@pytest.mark.long
async def test_another_embedder_takes_over_while_everything_is_found(
    built_models: Path, place: Path, figure: Callable[[str], None]
) -> None:
    program = Program(place, models=built_models, query_embedding_seconds_max=10)
    async with ending(program), embedding_server(_slowly, dimensions=WIDE) as server:
        await program.start()
        async with signed_up(program, "Asha") as asha:
            documents = {word: await _upload(asha, word) for word in WORDS}
            searches = await _all_found(asha, documents)
            await program.running(embedder=json.dumps(_options(server)))
            asha.http.base_url = program.url
            while len(server.requests) < len(WORDS) // 2:
                searches += await _all_found(asha, documents)
            await program.kill()
            killed_at = len(server.requests)
            await program.start()
            asha.http.base_url = program.url
            documents["maple"] = await _upload(asha, "maple")
            async with asyncio.timeout(MOVE_SECONDS_MAX):
                # The first question of a process is told by the search which model serves.
                asked, count = _asked(server), len(documents)
                while _asked(server) < asked + count:
                    asked = _asked(server)
                    searches += await _all_found(asha, documents)
            told, before = await _status(program)
            assert told == f"wide@{WIDE} ({WIDE} dimensions) serves: {count} of {count} documents"
            assert before.startswith("all-MiniLM-L6-v2-int8-1 (384 dimensions)")
            metrics = (await asha.http.get("/metrics")).text
            assert "strongroom_reembedding_documents_left 0.0" in metrics
            breaker = f'strongroom_embedder_breaker{{model="wide@{WIDE}",state="closed"}} 1.0'
            assert breaker in metrics
            assert "strongroom_embedder_queries_total" in metrics
        assert killed_at > 0
        assert "canary" not in program.said
        figure(f"killed after {killed_at} requests; {searches} searches, none short")


def _slowly(request: Request) -> float:
    return 0.0 if request.texts[0].startswith("query: ") else REQUEST_SECONDS


def _options(server: EmbeddingServer) -> dict[str, object]:
    options = {
        "url": server.url, "model": "wide", "dimensions": WIDE, "key": "canary-key",
        "texts_at_once": 4, "requests_at_once": 1, "query_prefix": "query: ",
    }  # fmt: skip
    return {"plugin": "openai_compatible", "options": options}


def _asked(server: EmbeddingServer) -> int:
    """How many questions it was asked, beside all the passages."""
    return sum(each.texts[0].startswith("query: ") for each in server.requests)


async def _upload(asha: Person, word: str) -> str:
    about = f"The {word} grows tall beside the canary. " * 30
    text = "\n\n".join(f"# {word} {number}\n\n{about}" for number in range(5))
    document = await asha.upload(text, filename=f"{word}.md")
    ended = await asha.until_ended(document["id"])
    assert ended["state"] == "ready", ended
    return str(document["id"])


async def _all_found(asha: Person, documents: dict[str, str]) -> int:
    """Each by meaning, whichever model that takes."""
    for word, document_id in documents.items():
        answer: httpx2.Response = await asha.http.post(
            "/v1/search", json={"query": word, "mode": "semantic", "limit": 50}
        )
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["mode"], found["degraded"]) == ("semantic", [])
        assert document_id in [item["document_id"] for item in found["items"]], word
    return len(documents)


async def _status(program: Program) -> list[str]:
    status, said, _ = await command(
        "reembed",
        "status",
        directory=program.data_dir,
        data_dir=program.data_dir,
        embedder=program.settings["embedder"],
    )
    assert status == 0, said
    return said.splitlines()
