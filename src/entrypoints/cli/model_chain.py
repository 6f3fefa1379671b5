"""The models that a tenant has chosen: show them, choose others."""

from __future__ import annotations

from collections.abc import Sequence

import rich_click as click

from application.chat.model_chain import ModelChain
from domain.chat.model_choice import ChainNotUsable, ModelTask
from domain.errors import Fault
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.tenants import operator_in
from entrypoints.settings import Settings


async def show(settings: Settings, tenant_name: str, task: ModelTask) -> str:
    """A line to be read by a person."""
    async with beside_a_server(settings) as container:
        caller = await operator_in(container, tenant_name)
        chosen = await container.model_choices().find(caller, task)
        return _told(chosen, await container.chain_of()(caller, task))


async def choose(
    settings: Settings, tenant_name: str, task: ModelTask, models: Sequence[str] | None
) -> str:
    """Raises UsageError, which says of each model that cannot be chosen why."""
    async with beside_a_server(settings) as container:
        caller = await operator_in(container, tenant_name)
        try:
            chain = await container.choose_models()(caller=caller, task=task, models=models)
        except ChainNotUsable as wrong:
            raise click.UsageError(
                " ".join(_why(models or (), each) for each in wrong.faults)
            ) from None
        return _told(models, chain)


def _why(models: Sequence[str], fault: Fault) -> str:
    position = int(fault.pointer.rpartition("/")[2])
    return f"{models[position]}: {fault.detail}"


def _told(chosen: Sequence[str] | None, chain: ModelChain) -> str:
    tried = f"tried in this order: {', '.join(chain.names)}"
    if chosen is None:
        return f"nothing is chosen; {tried}"
    gone = [name for name in chosen if name not in chain.names]
    skipped = f"; not in the settings, and skipped: {', '.join(gone)}" if gone else ""
    return tried + skipped
