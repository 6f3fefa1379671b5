"""Everything that the container describes can be built, and is built once."""

from __future__ import annotations

import re
from pathlib import Path

from dependency_injector import providers

from adapters.postgres.engine import Database
from entrypoints.container import Container
from entrypoints.http.app import EXPOSED
from entrypoints.settings import Settings


async def test_every_provider_resolves(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    settings = Settings(data_dir=tmp_path, reranker_url=nowhere, qdrant_url=nowhere)
    container = Container(settings=settings, database=Database.at("postgresql://nowhere/nothing"))
    for name, provider in container.providers.items():
        assert provider() is not None, name
        if isinstance(provider, providers.Singleton):
            assert provider() is provider(), name
    for part in (container.guarded_embedder(), container.reranker(), container.vector_store()):
        await part.close()


def test_what_was_not_asked_for_is_not_there(tmp_path: Path) -> None:
    container = Container(
        settings=Settings(data_dir=tmp_path), database=Database.at("postgresql://nowhere/nothing")
    )
    assert container.search().reranker is container.search().vectors is None


def test_what_handlers_may_ask_for_exists() -> None:
    assert set(EXPOSED) <= set(Container.providers)


def test_what_benchmarks_take_from_it_exists() -> None:
    named = re.compile(r"\bContainer\.([a-z]\w+)|\bcontainer\.(\w+)\(\)")
    benchmarks = Path(__file__).parents[3] / "benchmarks"
    taken = {
        name
        for path in benchmarks.glob("*.py")
        for pair in named.findall(path.read_text())
        for name in pair
        if name
    }
    assert taken
    assert taken - {"shutdown_resources"} <= set(Container.providers)
