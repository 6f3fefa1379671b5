"""Which models a tenant has chosen, over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from application.chat.choose_models import ChooseModels
from application.chat.model_chain import ModelChain
from application.chat.model_choices import ChainOf, ModelChoices
from domain.chat.model_choice import task_named
from domain.identity import Caller
from entrypoints.http.injected import Injected

MODELS_MAX = 100


class ChainTold(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Models of this deployment by their names, the one that is tried first in front.

    None at all: passages are quoted.
    """

    models: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=MODELS_MAX)]


class ChainShown(msgspec.Struct, kw_only=True):
    """`models` is what was chosen, and null where nothing was: then all models are tried. `tried`
    is what an answer comes to, in this order."""

    task: str
    models: list[str] | None
    tried: list[str]


class ModelChainsController(Controller):
    """/v1/model-chains"""

    path = "/v1/model-chains"
    tags = ("Models",)

    @get("/{task:str}")
    async def get_model_chain(
        self,
        caller: Injected[Caller],
        chain_of: Injected[ChainOf],
        model_choices: Injected[ModelChoices],
        task: FromPath[str],
    ) -> ChainShown:
        """The models that the tenant uses for a task (`answer`): everybody in it may know them."""
        chosen = await model_choices.find(caller, task_named(task))
        return _shown(task, chosen, chain_of.deployment.as_chosen(chosen))

    @put("/{task:str}", opt={"example": {"models": []}})
    async def put_model_chain(
        self,
        caller: Injected[Caller],
        choose_models: Injected[ChooseModels],
        task: FromPath[str],
        data: JSONBody[ChainTold],
    ) -> ChainShown:
        """Choose the models of a task, and their order: for administrators."""
        chain = await choose_models(caller=caller, task=task, models=data.models)
        return _shown(task, data.models, chain)

    @delete("/{task:str}", status_code=204)
    async def delete_model_chain(
        self, caller: Injected[Caller], choose_models: Injected[ChooseModels], task: FromPath[str]
    ) -> None:
        """Use the models of the deployment again: for administrators."""
        await choose_models(caller=caller, task=task, models=None)


def _shown(task: str, chosen: Sequence[str] | None, chain: ModelChain) -> ChainShown:
    models = None if chosen is None else list(chosen)
    return ChainShown(task=task, models=models, tried=list(chain.names))
