"""One running Strongroom for most tests, as a user would have started it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from adapters.embedding.minilm import MiniLMEmbedder
from tests.integration.running.people import Json, Person, signed_up
from tests.integration.running.program import Program, ending

_ROOT = Path(__file__).parents[3]
UPLOAD_BYTES_MAX = 4 * 1024 * 1024
LEASE = "# Lease\n\nThe rent is 1,250 euros a month. The deposit is 2,500 euros.\n"
SLOWLY: dict[str, object] = {"extractive_words_per_second": 8, "stream_heartbeat_seconds": 0.1}


@pytest.fixture(scope="session")
async def built_models() -> Path:
    """Where the built embedding model is kept, for all tests and all sessions."""
    named = os.environ.get("STRONGROOM_TEST_MODELS")
    models = Path(named) if named else _ROOT / ".strongroom" / "test-cache" / "models"
    embedder = MiniLMEmbedder(models)
    await embedder.warm()
    await embedder.close()
    return models


@pytest.fixture
def place(places: Callable[[], Path]) -> Path:
    return places()


@pytest.fixture(scope="session")
async def running(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    program = Program(
        places(),
        models=built_models,
        upload_bytes_max=UPLOAD_BYTES_MAX,
        query_embedding_seconds_max=30.0,  # a busy machine is no reason for another answer
    )
    async with ending(program):
        await program.start()
        yield program
        assert program.is_running, f"it ended with {program.exit_status}:\n{program.said[-4000:]}"


@pytest.fixture
def unfailing(running: Program) -> Iterator[None]:
    """Nothing unforeseen happens to a request meanwhile. What other tests did is theirs."""
    before = len(running.said)
    yield
    assert "request_failed" not in running.said[before:]


@pytest.fixture(scope="module")
async def own(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    """A program that the tests of a module may stop and kill: `await own.running()` first."""
    program = Program(places(), models=built_models)
    async with ending(program):
        yield program


@pytest.fixture(scope="module")
async def asha(running: Program) -> AsyncIterator[Person]:
    async with signed_up(running, "Asha") as person:
        yield person


@pytest.fixture(scope="module")
async def ben(running: Program) -> AsyncIterator[Person]:
    async with signed_up(running, "Ben") as person:
        yield person


@pytest.fixture(scope="module")
async def lease(asha: Person) -> Json:
    return await asha.ready(LEASE, filename="lease.md", title="Lease")


@pytest.fixture(scope="session")
async def slow(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    """One that answers eight words a second, with heartbeats between them."""
    program = Program(places(), models=built_models, **SLOWLY)
    async with ending(program):
        await program.start()
        yield program


@pytest.fixture(scope="module")
async def cleo(slow: Program) -> AsyncIterator[Person]:
    """Who has the lease where answers come slowly."""
    async with signed_up(slow, "Cleo") as person:
        await person.ready(LEASE, filename="lease.md", title="Lease")
        yield person
