"""One built model for all tests and all sessions, kept beside the checkout's other state."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.embedding.minilm import MiniLMEmbedder

_ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="session")
def models() -> Path:
    """Where the built model is kept; STRONGROOM_TEST_MODELS names another place."""
    named = os.environ.get("STRONGROOM_TEST_MODELS")
    return Path(named) if named else _ROOT / ".strongroom" / "test-cache" / "models"


@pytest.fixture(scope="session")
async def minilm(models: Path) -> AsyncIterator[MiniLMEmbedder]:
    embedder = MiniLMEmbedder(models)
    await embedder.warm()
    yield embedder
    await embedder.close()
