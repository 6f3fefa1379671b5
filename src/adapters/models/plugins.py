"""The built-in language models, as plugins are: `build(options)`, in the group
`strongroom.language_model` of entry points.

`options` come from one entry of the setting `models`; each plugin says which it knows. What is
wrong with them raises ValueError, without repeating a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from adapters.models.extractive import ExtractiveModel
from adapters.models.openai_compatible import OpenAICompatibleModel, model_client
from application.chat.language_model import LanguageModel

Options = Mapping[str, Any]
Known = TypeVar("Known")


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


def build_extractive(options: Options) -> LanguageModel:
    """It quotes, and costs nothing."""
    known = known_options(options, _Extractive)
    return ExtractiveModel(name=known.name, words_per_second=known.words_per_second)


def build_openai_compatible(options: Options) -> LanguageModel:
    """A server at `url`, which ends before `/chat/completions`."""
    known = known_options(options, _OpenAICompatible)
    if known.key is not None and known.key_file is not None:
        raise ValueError("key and key_file: set one of them")
    if not _is_private(known.url):
        raise ValueError(
            "url: prompts hold what is private, and would go over http to a public address;"
            " set an https address"
        )
    key = known.key if known.key_file is None else Path(known.key_file).read_text().strip()
    return OpenAICompatibleModel(
        name=known.name,
        base_url=known.url,
        model=known.model,
        key=key,
        client=model_client(),
        tokens_field=known.tokens_field,
        temperature=known.temperature,
    )


def known_options(options: Options, kind: type[Known]) -> Known:
    """Raises ValueError, naming what is wrong and no value."""
    try:
        return msgspec.convert(options, kind)
    except msgspec.ValidationError as wrong:
        raise ValueError(str(wrong)) from None


def _is_private(url: str) -> bool:
    """Nobody outside can listen: it is encrypted, or stays on this machine or in its network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or ("." not in host and ":" not in host):
        return True
    try:
        return ip_address(host).is_private
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))
