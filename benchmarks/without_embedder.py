"""`strongroom`, with the stub embedder in place of the model: what the rest of it weighs.

python -m benchmarks.without_embedder serve
"""

from __future__ import annotations

from adapters.embedding.hashing import HashingEmbedder
from entrypoints.cli.main import cli
from entrypoints.container import Container


class Weightless(HashingEmbedder):
    async def warm(self) -> None:
        pass

    async def close(self) -> None:
        pass


if __name__ == "__main__":
    Container.embedder.override(Weightless())
    cli()
