"""The models of this deployment, as OpenAI's clients list them."""

from __future__ import annotations

import msgspec
from litestar import Controller, get
from litestar.params import FromPath

from application.chat.model_choices import ChainOf
from application.retrieval.embedder import Embedder
from domain.identity import Caller
from entrypoints.http.injected import Injected
from entrypoints.http.openai_errors import OPENAI_ERRORS, OpenAIErrorBody
from entrypoints.http.refusals import HttpRefusal


class ModelUnknown(HttpRefusal):
    """There is no such model here; GET /v1/models lists those that there are."""

    code = "model_not_found"
    status = 404


class ModelShown(msgspec.Struct, kw_only=True):
    """A model: one that answers, or one that embeds. When it was made is not known."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "strongroom"


class ModelList(msgspec.Struct, kw_only=True):
    """All of them."""

    data: list[ModelShown]
    object: str = "list"


class ModelsController(Controller):
    """/v1/models"""

    path = "/v1/models"
    tags = ("OpenAI",)
    exception_handlers = OPENAI_ERRORS
    opt = {"error_shape": OpenAIErrorBody}  # noqa: RUF012

    @get()
    async def list_models(
        self, caller: Injected[Caller], chain_of: Injected[ChainOf], embedder: Injected[Embedder]
    ) -> ModelList:
        """The models that answer, in the order in which they are tried, and the one that embeds."""
        return ModelList(data=await _models(caller, chain_of, embedder))

    @get("/{model:path}")
    async def get_model(
        self,
        caller: Injected[Caller],
        chain_of: Injected[ChainOf],
        embedder: Injected[Embedder],
        model: FromPath[str],
    ) -> ModelShown:
        """One of the models, by its name, which may have slashes in it."""
        for each in await _models(caller, chain_of, embedder):
            if each.id == model.removeprefix("/"):
                return each
        raise ModelUnknown


async def _models(caller: Caller, chain_of: ChainOf, embedder: Embedder) -> list[ModelShown]:
    chain = await chain_of(caller)
    return [ModelShown(id=name) for name in (*chain.names, embedder.model)]
