"""Moving to another embedding model: how far it has come, and going back to one that left it."""

from __future__ import annotations

from collections.abc import Sequence

from domain.errors import Conflict
from domain.retrieval.embedding_model import ModelState, in_state
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.tenants import tenant_named
from entrypoints.settings import Settings

TOLD = {
    ModelState.SERVING: "serves",
    ModelState.ARRIVING: "is arriving",
    ModelState.LEAVING: "is leaving",
    ModelState.LEFT: "has left",
}


class MoveNotPossible(Conflict):
    """The tenant cannot begin to move to this embedding model now."""

    code = "move_not_possible"


async def status(settings: Settings, tenant_name: str) -> Sequence[str]:
    """Lines to be read by a person."""
    async with beside_a_server(settings) as container:
        tenant_id = await tenant_named(container, tenant_name)
        models = await container.embedding_models().of(tenant_id)
        wanted = container.embedder().model
        lines = []
        for each in sorted(models, key=lambda model: list(ModelState).index(model.state)):
            documents, embedded = await container.postgres_vectors().count(tenant_id, each.name)
            lines.append(
                f"{each.name} ({each.dimensions} dimensions) {TOLD[each.state]}:"
                f" {embedded:,} of {documents:,} documents"
            )
        serving = in_state(models, ModelState.SERVING)
        if serving is None:
            return ["nothing is embedded yet"]
        if wanted != serving.name:
            lines.append(_waiting(wanted, {each.name: each.state for each in models}))
        return lines


async def start(settings: Settings, tenant_name: str) -> str:
    """Raises MoveNotPossible."""
    async with beside_a_server(settings) as container:
        tenant_id, embedder = await tenant_named(container, tenant_name), container.embedder()
        models = container.embedding_models()
        if not await models.arrive(tenant_id, embedder.model, embedder.dimensions, again=True):
            raise MoveNotPossible(
                f"{tenant_name} cannot begin to move to {embedder.model}: it serves or is arriving,"
                " another one is arriving, or it had other dimensions before."
            )
        return f"{embedder.model} is arriving; servers that have it in their settings do the rest"


def _waiting(wanted: str, states: dict[str, ModelState]) -> str:
    if states.get(wanted) is ModelState.ARRIVING:
        return f"{wanted} will serve when nothing lacks it and every process that runs knows it"
    if wanted in states:
        return f"{wanted} is in the settings, and served before: `strongroom reembed start` returns"
    return f"{wanted} is in the settings: a server begins with it soon"
