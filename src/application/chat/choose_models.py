"""Choose the models of a tenant, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.chat.model_chain import ModelChain
from application.chat.model_choices import ModelChoices
from domain.chat.model_choice import ChainIsKeptByAdministrators, ChainNotUsable, task_named
from domain.errors import Fault
from domain.identity import Caller, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseModels:
    """Runs that begin from now on follow the choice, in every process."""

    deployment: ModelChain
    choices: ModelChoices

    async def __call__(
        self, *, caller: Caller, task: str, models: Sequence[str] | None
    ) -> ModelChain:
        """`models` None: those of the deployment; none at all: passages are quoted.

        Raises ChainIsKeptByAdministrators, TaskUnknown, and ChainNotUsable with each model that
        cannot be chosen.
        """
        if caller.role is not Role.ADMIN:
            raise ChainIsKeptByAdministrators
        named = task_named(task)
        if faults := self._faults(models or ()):
            raise ChainNotUsable(faults)
        await self.choices.put(caller, named, models)
        return self.deployment.as_chosen(models)

    def _faults(self, models: Sequence[str]) -> Sequence[Fault]:
        *choosable, last = self.deployment.names
        faults = []
        for position, name in enumerate(models):
            if name == last:
                told = "It comes last in every chain, and is not named."
            elif name not in choosable:
                told = "This deployment has no such model."
            elif name in models[:position]:
                told = "It is in the chain before."
            else:
                continue
            faults.append(Fault(f"/models/{position}", told))
        return faults
