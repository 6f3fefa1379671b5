"""Everything that the container describes can be built, and is built once."""

from __future__ import annotations

from pathlib import Path

from dependency_injector import providers

from adapters.postgres.engine import Database
from entrypoints.container import Container
from entrypoints.http.app import EXPOSED
from entrypoints.settings import Settings


async def test_every_provider_resolves(tmp_path: Path) -> None:
    container = Container(
        settings=Settings(data_dir=tmp_path), database=Database.at("postgresql://nowhere/nothing")
    )
    for name, provider in container.providers.items():
        assert provider() is not None, name
        if isinstance(provider, providers.Singleton):
            assert provider() is provider(), name
    await container.guarded_embedder().close()


def test_what_handlers_may_ask_for_exists() -> None:
    assert set(EXPOSED) <= set(Container.providers)
