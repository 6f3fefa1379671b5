"""`strongroom`, with a model whose tokens say when they were made, and without an embedder.

python -m benchmarks.with_stamps serve
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from application.chat.language_model import ModelLimits, Piece, Text
from application.chat.model_chain import ModelChain
from benchmarks.stamps import tokens
from benchmarks.without_embedder import Weightless
from domain.chat.price import PriceTable
from domain.chat.prompt import Prompt
from entrypoints.cli.main import cli
from entrypoints.container import Container


class Stamping:
    """`LanguageModel`."""

    name = "stamping"
    marks_sources = False
    is_metered = False

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        async for token in tokens():
            yield Text(token)

    async def close(self) -> None:
        pass


if __name__ == "__main__":
    Container.embedder.override(Weightless())
    prices = PriceTable(currency="USD", prices=[])
    Container.chain.override(ModelChain(models=[Stamping()], prices=prices))
    cli()
