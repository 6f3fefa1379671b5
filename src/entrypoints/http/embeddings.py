"""Embeddings, in OpenAI's format."""

from __future__ import annotations

import base64
import sys
from typing import Annotated, Literal

import msgspec
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from application.retrieval.embed_texts import EmbedTexts
from application.retrieval.embedder import Vector
from domain.chat.prompt import tokens_in
from domain.identity import Caller
from entrypoints.http.completion_shapes import Name
from entrypoints.http.injected import Injected
from entrypoints.http.openai_errors import OPENAI_ERRORS, OpenAIErrorBody
from entrypoints.http.openai_models import ModelUnknown
from entrypoints.http.refusals import InvalidFields, WrongField

TEXTS_BODY_BYTES_MAX = 1024 * 1024


class NewEmbeddings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """From 1 to 256 texts of from 1 to 32,000 characters; of each the first 256 tokens are read.

    Texts are given as text: tokens of other models mean nothing here.
    """

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: str | list[str]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    user: Name | None = None


class EmbeddingShown(msgspec.Struct, kw_only=True):
    """A vector of unit length: numbers, or in base64 their 32-bit floats, little endian."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingsUsage(msgspec.Struct, kw_only=True):
    """About how many tokens there were, by the rule of thumb of four characters to a token."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, kw_only=True):
    """One vector for each text, in order."""

    data: list[EmbeddingShown]
    model: str
    usage: EmbeddingsUsage
    object: str = "list"


@post(
    "/v1/embeddings",
    status_code=200,
    tags=["OpenAI"],
    exception_handlers=OPENAI_ERRORS,
    request_max_body_size=TEXTS_BODY_BYTES_MAX,
    opt={
        "example": {"model": "all-MiniLM-L6-v2-int8-1", "input": ["How much is the deposit?"]},
        "error_shape": OpenAIErrorBody,
    },
)
async def embed(
    caller: Injected[Caller],
    embed_texts: Injected[EmbedTexts],
    data: JSONBody[NewEmbeddings],
) -> EmbeddingList:
    """Turn texts into vectors whose closeness is closeness of meaning; nothing is stored."""
    embedder = embed_texts.embedder
    if data.model != embedder.model:
        raise ModelUnknown
    if data.dimensions not in (None, embedder.dimensions):
        told = f"Vectors of this model have {embedder.dimensions} dimensions."
        raise InvalidFields([WrongField("/dimensions", told)])
    texts = [data.input] if isinstance(data.input, str) else data.input
    vectors = await embed_texts(caller=caller, texts=texts)
    shown = _packed if data.encoding_format == "base64" else list
    tokens = sum(map(tokens_in, texts))
    return EmbeddingList(
        data=[
            EmbeddingShown(index=index, embedding=shown(vector))
            for index, vector in enumerate(vectors)
        ],
        model=embedder.model,
        usage=EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _packed(vector: Vector) -> str:
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()
