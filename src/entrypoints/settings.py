"""Settings: from the environment (STRONGROOM_...) and from a TOML file, checked once at start.

This is the one place that reads the environment. The environment wins over the file, the file
over the defaults. Whatever is wrong is said with its name, where it came from, and what is
allowed; a name that is close to a setting's but is none is refused, too.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from domain.audit.cosignature import WitnessKey
from domain.audit.note import NoteNotValid
from domain.retrieval.features import FEATURE_WEIGHTS, is_feature
from domain.retrieval.fusion import FEEDBACK_WEIGHT, LENGTH_WEIGHT, SATURATION, SEMANTIC_WEIGHT
from domain.retrieval.vectors import EXACT_PASSAGES_MAX

PREFIX = "STRONGROOM_"
FILE_VARIABLE = "STRONGROOM_CONFIG"
FILE_DEFAULT = Path("strongroom.toml")
# Variables that tests and tools read; the service does not.
_ELSEWHERE = frozenset({FILE_VARIABLE, "STRONGROOM_SHARED_DATA", "STRONGROOM_TEST_DATABASE_URL"})

# Settings with settings inside, which may be secret.
_TABLES = frozenset({"models", "embedder", "embedder_before", "search_feature_weights"})

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1, le=1024)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Bytes = Annotated[int, Meta(ge=1024, le=64 * 1024**3)]
Share = Annotated[float, Meta(ge=0, le=1)]
WebAddress = Annotated[str, Meta(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")]
DatabaseUrl = Annotated[str, Meta(pattern=r"^postgres(ql)?://")]
Rate = Annotated[str, Meta(pattern=r"^[1-9][0-9]*/[1-9]?[0-9]* ?(second|minute|hour|day)$")]


Tokens = Annotated[int, Meta(ge=0, le=10**15)]
Money = Annotated[float, Meta(ge=0, le=10**9)]


class SettingsError(Exception):
    """A setting is wrong; the message names it, its source, and what is allowed."""


class ModelChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model of the chain: the plugin that makes it, its name here, and the plugin's options."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./:@+-]*$", max_length=100)]
    plugin: str = "openai_compatible"
    options: dict[str, str | int | float | bool] = {}


class EmbedderChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plugin that makes an embedder, and the plugin's options."""

    plugin: Annotated[str, Meta(min_length=1, max_length=100)] = "minilm"
    options: dict[str, str | int | float | bool] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set. Each name, in capitals and after STRONGROOM_, is its variable."""

    # Where things are.
    data_dir: Path = Path(".strongroom")
    database_url: DatabaseUrl | None = None
    host: str = "127.0.0.1"
    port: Port = 8000
    public_url: str = "http://127.0.0.1:8000"
    trusted_proxies: str = ""

    # How it tells what it does.
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_url: WebAddress | None = None

    # Who may come in.
    sign_up_open: bool = True
    access_token_seconds: Annotated[int, Meta(ge=30, le=3600)] = 600
    refresh_token_days: Annotated[int, Meta(ge=1, le=365)] = 30
    sign_in_rate_per_address: Rate = "300/minute"
    sign_in_rate_per_account: Rate = "10/minute"
    sign_up_rate_per_address: Rate = "300/minute"
    totp_rate_per_account: Rate = "10/hour"
    access_request_rate_per_person: Rate = "60/hour"
    notice_rate_per_person: Rate = "120/hour"
    redeem_rate_per_address: Rate = "60/minute"
    client_rate_per_address: Rate = "300/minute"
    token_rate_per_client: Rate = "60/minute"  # noqa: S105
    embedding_rate_per_person: Rate = "120/minute"
    question_rate_per_person: Rate = "120/minute"

    # Whom notices and receipts name as the controller. A Kantara receipt has to have every one of
    # these, `jurisdiction` too; what is not set is empty in it.
    controller_name: Annotated[str, Meta(min_length=1, max_length=200)] = "Strongroom"
    controller_email: Annotated[str, Meta(max_length=254)] | None = None
    controller_phone: Annotated[str, Meta(min_length=1, max_length=50)] | None = None
    controller_address: Annotated[str, Meta(min_length=1, max_length=500)] | None = None
    controller_country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] | None = None
    controller_policy_url: WebAddress | None = None
    jurisdiction: Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None

    # Keys.
    key_service: str = "keyring"
    keyring_passphrase: str | None = None
    vault_url: WebAddress | None = None
    vault_mount: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_./-]{1,100}$")] = "transit"
    vault_key_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "strongroom"
    vault_token: str | None = None
    vault_token_file: Path | None = None
    vault_ca_file: Path | None = None
    vault_seconds_max: Annotated[float, Meta(gt=0, le=60)] = 3.0
    fence_dir: Path | None = None
    backup_retention_days: Annotated[int, Meta(ge=0, le=3650)] = 35
    gate_seconds_max: Seconds = 5.0

    # The log: by when an event is in it, and the printed keys of witnesses, with spaces between.
    max_merge_delay_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    witness_keys: str = ""

    # Documents.
    upload_bytes_max: Bytes = 100 * 1024**2
    extraction_bytes_max: Bytes = 64 * 1024**2
    extraction_seconds_max: Seconds = 60.0

    # Work in the background.
    worker: bool = True
    worker_jobs_at_once: Count = 4
    embedder_threads: Annotated[int, Meta(ge=0, le=256)] = 0

    # What turns text into vectors, and what did before: it serves until the other has done all.
    embedder: EmbedderChoice = EmbedderChoice()
    embedder_before: EmbedderChoice | None = None
    embedder_failures_max: Count = 3
    embedder_rest_seconds: Annotated[float, Meta(gt=0, le=3_600)] = 5.0

    # Answers. `models` are tried in this order, and quoting after the last of them; model_url,
    # model_key and model are a chain of one.
    model_url: str | None = None
    model_key: str | None = None
    model: str | None = None
    models: tuple[ModelChoice, ...] = ()
    model_first_token_seconds_max: Seconds = 30.0
    model_token_seconds_max: Seconds = 30.0
    # Where the first model says nothing for so long, the next one is called beside it.
    model_hedge_seconds: Annotated[float, Meta(ge=0.05, le=600)] | None = None
    model_output_tokens_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_048
    model_attempts_max: Annotated[int, Meta(ge=1, le=5)] = 2
    model_failures_max: Count = 5
    model_rest_seconds: Annotated[float, Meta(gt=0, le=3_600)] = 10.0
    run_seconds_max: Seconds = 300.0
    # After a crash an answer that nobody writes any more is ended this much later, and a little.
    run_lease_seconds: Annotated[float, Meta(ge=2, le=600)] = 30.0
    history_tokens_max: Annotated[int, Meta(ge=0, le=1_000_000)] = 2_000
    stream_heartbeat_seconds: Annotated[float, Meta(ge=0.1, le=600)] = 15.0
    # How many questions may wait in one conversation, and for how long.
    queued_questions_max: Annotated[int, Meta(ge=1, le=100)] = 8
    queued_seconds_max: Annotated[float, Meta(ge=1, le=86_400)] = 600.0
    runs_at_once: Annotated[int, Meta(ge=1, le=10_000)] = 256
    # In this order; `none` for no guardrail at all. Hosts that links may lead to, over https.
    guardrails: Annotated[str, Meta(pattern=r"^[a-z0-9_-]+( [a-z0-9_-]+)*$")] = (
        "grounding secrets links"
    )
    answer_link_hosts: Annotated[str, Meta(pattern=r"^([A-Za-z0-9.:-]+( [A-Za-z0-9.:-]+)*)?$")] = ""
    extractive_words_per_second: Annotated[float, Meta(ge=0, le=10_000)] = 0.0

    # What answers may cost in a day of UTC; unset, as much as they do. Money is in the currency
    # of the prices: those that come with Strongroom, or those in a file of one's own.
    prices_file: Path | None = None
    budget_tokens_per_person: Tokens | None = None
    budget_tokens_per_tenant: Tokens | None = None
    budget_cost_per_person: Money | None = None
    budget_cost_per_tenant: Money | None = None

    # Search.
    query_embedding_seconds_max: Seconds = 0.3
    search_semantic_weight: Share = SEMANTIC_WEIGHT
    search_feedback_weight: Share = FEEDBACK_WEIGHT
    search_saturation: Annotated[float, Meta(ge=0, le=10)] = SATURATION
    search_length_weight: Share = LENGTH_WEIGHT
    search_sealed_passages_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    search_sealed_documents_max: Annotated[int, Meta(ge=1, le=128)] = 100
    search_exact_passages_max: Annotated[int, Meta(ge=0, le=10**12)] = EXACT_PASSAGES_MAX
    search_feature_weights: dict[str, Annotated[float, Meta(ge=-1, le=1)]] = msgspec.field(
        default_factory=lambda: dict(FEATURE_WEIGHTS)
    )

    # A model that reads the best passages beside the question; off unless its address is set. What
    # it is shown was released, and leaves the machine where it runs elsewhere.
    reranker_url: WebAddress | None = None
    reranker_model: Annotated[str, Meta(min_length=1, max_length=100)] = "reranker"
    reranker_key: str | None = None
    reranker_shape: Literal["cohere", "tei"] = "cohere"
    reranker_passages: Annotated[int, Meta(ge=2, le=50)] = 20
    reranker_seconds_max: Annotated[float, Meta(gt=0, le=60)] = 1.0

    # Vectors in a Qdrant as well, which is asked where much may be searched. It needs the extra
    # `qdrant`. Switched off again, what it holds is not followed any more: drop its collection.
    qdrant_url: WebAddress | None = None
    qdrant_key: str | None = None
    qdrant_collection: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$")] = "strongroom"
    qdrant_seconds_max: Annotated[float, Meta(gt=0, le=60)] = 1.0

    # Stopping.
    drain_seconds_max: Annotated[int, Meta(ge=0, le=600)] = 20

    def __post_init__(self) -> None:
        if (self.model_url is None) != (self.model is None):
            raise ValueError("model_url and model go together: set both, or neither")
        if self.model_key is not None and self.model_url is None:
            raise ValueError("model_key is set, but model_url is not")
        if self.models and self.model_url is not None:
            raise ValueError("models and model_url both name what answers: set one of them")
        hedge, longest = self.model_hedge_seconds, self.model_first_token_seconds_max
        if hedge is not None and hedge >= longest:
            raise ValueError(
                "model_hedge_seconds: no model is waited for so long; set less than"
                f" model_first_token_seconds_max, which is {longest:g}"
            )
        if len({each.name for each in self.models}) < len(self.models):
            raise ValueError("models: each of them has a name of its own")
        if self.vault_url is not None and not _is_heard_by_nobody(self.vault_url):
            raise ValueError("vault_url: only on this machine may it be http; set an https address")
        if self.reranker_url is not None and not _is_heard_by_nobody(self.reranker_url):
            raise ValueError(
                "reranker_url: only on this machine may it be http; set an https address"
            )
        if self.reranker_key is not None and self.reranker_url is None:
            raise ValueError("reranker_key is set, but reranker_url is not")
        if self.qdrant_url is not None and not _is_heard_by_nobody(self.qdrant_url):
            raise ValueError(
                "qdrant_url: only on this machine may it be http; set an https address"
            )
        for name in self.search_feature_weights:
            if not is_feature(name):
                raise ValueError(f"search_feature_weights: there is no feature {name[:80]!r}")
        try:
            self.witnesses  # noqa: B018 - parsed, to say at start what is wrong
        except NoteNotValid as wrong:
            raise ValueError(f"witness_keys: {wrong}") from None

    @property
    def chosen_models(self) -> tuple[ModelChoice, ...]:
        """Those that generate, in the order in which they are tried."""
        if self.model_url is None or self.model is None:
            return self.models
        key = {} if self.model_key is None else {"key": self.model_key}
        options: dict[str, Any] = {"url": self.model_url, "model": self.model, **key}
        return (ModelChoice(name=self.model[:100], options=options),)

    @property
    def known_embedders(self) -> tuple[EmbedderChoice, ...]:
        """The one that is wanted first; before it was what comes along, if no other is named."""
        before = self.embedder_before or EmbedderChoice()
        return (self.embedder,) if before == self.embedder else (self.embedder, before)

    @property
    def max_merge_delay(self) -> timedelta:
        return timedelta(seconds=self.max_merge_delay_seconds)

    @property
    def fence_directory(self) -> Path:
        """Best where no restore reaches it, which is beside the database by default."""
        named = self.data_dir / "fence" if self.fence_dir is None else self.fence_dir
        return named.expanduser().resolve()

    @property
    def witnesses(self) -> tuple[WitnessKey, ...]:
        return tuple(WitnessKey.parse(each) for each in self.witness_keys.split())


def forbid_reports_home() -> None:
    """Tell libraries that would report their use to their makers not to, before they are imported.

    Only our own exporter (`otlp_url`) tells anybody anything, and only where it was asked to.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force. Raises SettingsError for the first one that is wrong."""
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, value in _from_file(variables).items():
        values[name], sources[name] = value, f"{_file(variables)}"
    for variable, value in variables.items():
        if variable.startswith(PREFIX) and variable not in _ELSEWHERE:
            name = variable.removeprefix(PREFIX).lower()
            values[name], sources[name] = value, f"the environment variable {variable}"
    types = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    for name in values:
        if name not in types:
            raise SettingsError(_unknown(name, sources[name], types))
        values[name] = _converted(name, values[name], types[name], sources[name])
    try:
        return Settings(**values)
    except ValueError as error:
        raise SettingsError(f"The settings do not fit together: {error}.") from None


def _file(variables: Mapping[str, str]) -> Path:
    return Path(variables.get(FILE_VARIABLE, FILE_DEFAULT))


def _from_file(variables: Mapping[str, str]) -> dict[str, Any]:
    path = _file(variables)
    if not path.exists():
        if FILE_VARIABLE in variables:
            raise SettingsError(f"{FILE_VARIABLE} names {path}, which does not exist.")
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path} cannot be read as TOML: {error}") from None


def _converted(name: str, value: Any, kind: Any, source: str) -> Any:
    try:
        if name in _TABLES and isinstance(value, str):  # a variable holds JSON, a file tables
            value = {"plugin": value} if _is_plain_name(name, value) else msgspec.json.decode(value)
        return msgspec.convert(value, kind, strict=False, dec_hook=_path)
    except msgspec.DecodeError as error:  # what msgspec.ValidationError is, too
        shown = "its value" if _is_secret(name) else repr(value)[:80]
        raise SettingsError(f"{name}: {shown}, from {source}, is not allowed. {error}.") from None


def _path(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError  # how msgspec is told that a type is none of ours


def _is_plain_name(name: str, value: str) -> bool:
    """An embedder without options may be named alone."""
    return name.startswith("embedder") and not value.lstrip().startswith("{")


def _is_secret(name: str) -> bool:
    return name in _TABLES or name.endswith(("_key", "_passphrase", "_url", "_token"))


def _is_heard_by_nobody(url: str) -> bool:
    """Nobody between here and there can listen."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in {"localhost", "127.0.0.1", "::1"}


def _unknown(name: str, source: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else f" There are: {', '.join(sorted(known))}."
    return f"{name}, from {source}, is not a setting.{hint}"
