"""What is measured: a running server, or a fresh one that is gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from entrypoints.cli.evaluation.failure import EvaluationNotPossible
from entrypoints.cli.story.instance import InstanceDidNotStart, fresh_instance
from entrypoints.settings import Settings

# Of the settings in force, those that change what a search finds. The rest is none of its business.
CARRIED_OVER = (
    "embedder_threads",
    "query_embedding_seconds_max",
    "search_semantic_weight",
    "search_feature_weights",
    "search_feedback_weight",
    "search_saturation",
    "search_length_weight",
)


@asynccontextmanager
async def server(
    settings: Settings, url: str | None, *, also: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Its address. A fresh one has the settings in force where they change what is found, and
    those that are named in `also`, as far as they are set."""
    if url is not None:
        yield url
        return
    named = {name: getattr(settings, name) for name in (*CARRIED_OVER, *also)}
    carried = {name: value for name, value in named.items() if value is not None}
    carried |= _embedders(settings)
    models = settings.data_dir.expanduser() / "models"
    async with fresh_instance("evaluation", models=models, **carried) as instance:
        try:
            await instance.until_ready(lambda said: None)
        except InstanceDidNotStart as failure:
            raise EvaluationNotPossible(f"{failure} {instance.end_of_log()}") from None
        yield instance.url


def _embedders(settings: Settings) -> dict[str, str]:
    """As variables have them. A fresh instance has nothing of the embedder before."""
    return {"embedder": msgspec.json.encode(settings.embedder).decode()}
