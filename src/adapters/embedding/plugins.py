"""The embedders that come along, as plugins are: `build(options)`, in the group
`strongroom.embedder` of entry points.

`options` come from the settings `embedder` and `embedder_before`; beside them every plugin is told
`data_dir`, where it may keep files, and `threads`, how many it may use (0: as it likes). What is
wrong with them raises ValueError, without repeating a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from adapters.embedding.minilm import MiniLMEmbedder
from adapters.embedding.openai_compatible import OpenAICompatibleEmbedder, embedding_client
from adapters.plugin_options import Options, is_private, known_options, secret_of
from application.retrieval.embedder import DIMENSIONS_MAX, Embedder
from domain.language import Language, LanguageNotUsable, language


class _MiniLM(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    data_dir: str
    threads: int


class _OpenAICompatible(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    data_dir: str
    threads: int
    url: Annotated[str, Meta(pattern=r"^https?://[^/?#\s@]+(/[^?#\s]*)?$")]
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    dimensions: Annotated[int, Meta(ge=2, le=DIMENSIONS_MAX)]
    name: (
        Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./:@+-]*$", max_length=100)] | None
    ) = None
    key: str | None = None
    key_file: str | None = None
    ask_for_dimensions: bool = False
    query_prefix: Annotated[str, Meta(max_length=1_000)] = ""
    passage_prefix: Annotated[str, Meta(max_length=1_000)] = ""
    languages: str = ""
    characters_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 8_000
    texts_at_once: Annotated[int, Meta(ge=1, le=2_048)] = 32
    requests_at_once: Annotated[int, Meta(ge=1, le=64)] = 2
    attempts_max: Annotated[int, Meta(ge=1, le=10)] = 4
    seconds_max: Annotated[float, Meta(gt=0, le=600)] = 60.0


def build_minilm(options: Options) -> Embedder:
    """The one that is built from weights that come along."""
    known = known_options(options, _MiniLM)
    return MiniLMEmbedder(Path(known.data_dir) / "models", threads=known.threads or None)


def build_openai_compatible(options: Options) -> Embedder:
    """A server at `url`, which ends before `/embeddings`.

    `name` stands on every vector: give it another one whenever the server makes other vectors under
    the same `model`. `languages`, with spaces between, are those that it reads; none: all.
    """
    known = known_options(options, _OpenAICompatible)
    key = secret_of(known.key, known.key_file)
    if not is_private(known.url):
        raise ValueError(
            "url: passages hold what is private, and would go over http to a public address;"
            " set an https address"
        )
    return OpenAICompatibleEmbedder(
        model=known.name or f"{known.model[:90]}@{known.dimensions}",
        dimensions=known.dimensions,
        base_url=known.url,
        served_model=known.model,
        key=key,
        client=embedding_client(),
        ask_for_dimensions=known.ask_for_dimensions,
        query_prefix=known.query_prefix,
        passage_prefix=known.passage_prefix,
        languages=_languages(known.languages) or None,
        characters_max=known.characters_max,
        texts_at_once=known.texts_at_once,
        requests_at_once=known.requests_at_once,
        attempts_max=known.attempts_max,
        seconds_max=known.seconds_max,
    )


def _languages(tags: str) -> frozenset[Language]:
    try:
        return frozenset(map(language, tags.split()))
    except LanguageNotUsable:
        raise ValueError("languages: tags like en or pt-BR, with spaces between") from None
