"""The chain of a tenant: the models that it has chosen, else those of the deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from application.chat.model_chain import ModelChain
from domain.chat.model_choice import ModelTask
from domain.identity import Caller


class ModelChoices(Protocol):
    """What tenants have chosen, by the names of models. Raises Unavailable."""

    async def find(self, caller: Caller, task: ModelTask) -> Sequence[str] | None:
        """None: the tenant has chosen nothing."""
        ...

    async def put(self, caller: Caller, task: ModelTask, models: Sequence[str] | None) -> None:
        """None: nothing is chosen any more. A change is in the log, or is not made."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainOf:
    """Asked anew whenever something is begun: all processes do what was chosen last."""

    deployment: ModelChain
    choices: ModelChoices

    async def __call__(self, caller: Caller, task: ModelTask = ModelTask.ANSWER) -> ModelChain:
        return self.deployment.as_chosen(await self.choices.find(caller, task))
