"""Parts of the service as the settings choose them; the container plugs them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.encryption.keyring import LocalKeyring
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.process import ProcessExtractor
from adapters.models.prices import price_table
from adapters.reranking.http_rerank import HttpReranker, rerank_client
from adapters.telemetry.language_model import TracedModel
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import LanguageModel, ModelLimits
from application.chat.model_chain import ModelChain
from application.chat.model_health import ModelHealth
from application.retrieval.embedder import Embedder
from application.retrieval.guarded_embedder import EmbedderMeter, GuardedEmbedder
from application.retrieval.reranker import Reranker
from application.retrieval.vector_store import VectorStore
from domain.breaker import BreakerLimits
from domain.chat.budget import Budget, Budgets
from domain.chat.price import MICROS
from domain.consent.exports import Controller
from entrypoints.plugins import embedder as embedder_of
from entrypoints.plugins import language_model
from entrypoints.settings import Settings, SettingsError


def rates(settings: Settings) -> dict[str, str]:
    names = (
        "sign_in_rate_per_address",
        "sign_in_rate_per_account",
        "sign_up_rate_per_address",
        "totp_rate_per_account",
        "access_request_rate_per_person",
        "notice_rate_per_person",
        "redeem_rate_per_address",
        "client_rate_per_address",
        "token_rate_per_client",
        "embedding_rate_per_person",
        "question_rate_per_person",
    )
    return {name: getattr(settings, name) for name in names}


def controller(settings: Settings) -> Controller:
    return Controller(
        name=settings.controller_name,
        email=settings.controller_email,
        phone=settings.controller_phone,
        address=settings.controller_address,
        country=settings.controller_country,
        policy_url=settings.controller_policy_url,
        jurisdiction=settings.jurisdiction,
    )


def keyring(settings: Settings) -> LocalKeyring:
    return LocalKeyring.open(settings.data_dir / "keyring.json", settings.keyring_passphrase)


def embedders(settings: Settings) -> Sequence[Embedder]:
    """The one that is wanted first."""
    built = [
        embedder_of(each, data_dir=settings.data_dir, threads=settings.embedder_threads)
        for each in settings.known_embedders
    ]
    if len({each.model for each in built}) < len(built):
        raise SettingsError("embedder and embedder_before name the same model; set one of them.")
    return built


def guarded(embedder: Embedder, meter: EmbedderMeter, settings: Settings) -> GuardedEmbedder:
    return GuardedEmbedder(
        embedder=embedder,
        meter=meter,
        query_seconds_max=settings.query_embedding_seconds_max,
        limits=BreakerLimits(
            failures_max=settings.embedder_failures_max,
            open_seconds=settings.embedder_rest_seconds,
            open_seconds_max=60.0,
        ),
    )


def guarded_others(
    embedders: Sequence[Embedder], meter: EmbedderMeter, settings: Settings
) -> Sequence[GuardedEmbedder]:
    return [guarded(each, meter, settings) for each in embedders[1:]]


def reranker(settings: Settings) -> Reranker | None:
    if settings.reranker_url is None:
        return None
    return HttpReranker(
        base_url=settings.reranker_url,
        model=settings.reranker_model,
        http=rerank_client(),
        shape=settings.reranker_shape,
        key=settings.reranker_key,
        seconds_max=settings.reranker_seconds_max,
    )


def vector_store(settings: Settings, embedder: Embedder) -> VectorStore | None:
    if settings.qdrant_url is None:
        return None
    try:
        from adapters.qdrant.vector_store import QdrantVectorStore, qdrant_client
    except ImportError:
        raise SettingsError("qdrant_url is set: install the extra `qdrant`.") from None
    seconds_max = settings.qdrant_seconds_max
    return QdrantVectorStore(
        client=qdrant_client(settings.qdrant_url, settings.qdrant_key, seconds_max),
        dimensions=embedder.dimensions,
        collection=settings.qdrant_collection,
        seconds_max=seconds_max,
    )


def extractor(settings: Settings) -> ProcessExtractor:
    limits = ExtractionLimits(
        content_bytes_max=settings.extraction_bytes_max,
        wall_seconds_max=settings.extraction_seconds_max,
    )
    return ProcessExtractor(limits)


def chain(settings: Settings) -> ModelChain:
    """Quoting always works, so it is the last."""
    chosen = [_traced(each.plugin, each.name, each.options) for each in settings.chosen_models]
    quoting = {"words_per_second": settings.extractive_words_per_second}
    extractive = _traced("extractive", "extractive-1", quoting)
    budgets = Budgets(
        person=_budget(settings.budget_tokens_per_person, settings.budget_cost_per_person),
        tenant=_budget(settings.budget_tokens_per_tenant, settings.budget_cost_per_tenant),
    )
    try:
        prices = price_table(settings.prices_file)
    except (ValueError, OSError) as wrong:
        raise SettingsError(f"prices_file: {wrong}.") from None
    if budgets.limit_money:
        priced = {each.model for each in prices.prices}
        for model in chosen:
            if model.is_metered and model.name not in priced:
                raise SettingsError(
                    f"There is a budget in money, and no price for {model.name!r}: add one to a"
                    " file that STRONGROOM_PRICES_FILE names, 0 for a model of your own."
                )
    try:
        return ModelChain(models=(*chosen, extractive), prices=prices, budgets=budgets)
    except ValueError as wrong:
        raise SettingsError(f"models: {wrong}.") from None


def _traced(plugin: str, name: str, options: Mapping[str, Any]) -> LanguageModel:
    return TracedModel(model=language_model(plugin, name, options), provider=plugin)


def _budget(tokens: int | None, money: float | None) -> Budget:
    cost = None if money is None else round(money * MICROS)
    return Budget(tokens_max=tokens, cost_micros_max=cost)


def health(settings: Settings) -> ModelHealth:
    return ModelHealth(
        limits=BreakerLimits(
            failures_max=settings.model_failures_max, open_seconds=settings.model_rest_seconds
        )
    )


def answer_limits(settings: Settings) -> AnswerLimits:
    return AnswerLimits(
        first_piece_seconds_max=settings.model_first_token_seconds_max,
        hedge_seconds=settings.model_hedge_seconds,
        piece_seconds_max=settings.model_token_seconds_max,
        run_seconds_max=settings.run_seconds_max,
        history_tokens_max=settings.history_tokens_max if settings.chosen_models else 0,
        attempts_max=settings.model_attempts_max,
        model=ModelLimits(output_tokens_max=settings.model_output_tokens_max),
    )
