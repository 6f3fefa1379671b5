"""Everything that the container describes can be built, and is built once."""

from __future__ import annotations

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
