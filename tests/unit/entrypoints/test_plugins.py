"""Plugins are chosen by name among what is installed, and fail at start with what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.embedding.minilm import MiniLMEmbedder
from adapters.embedding.openai_compatible import OpenAICompatibleEmbedder
from adapters.models.extractive import ExtractiveModel
from adapters.models.openai_compatible import OpenAICompatibleModel
from adapters.postgres.engine import Database
from adapters.telemetry.language_model import TracedModel
from application.chat.model_chain import ModelChain
from application.retrieval.embedder import Embedder
from entrypoints.container import Container
from entrypoints.plugins import language_model
from entrypoints.settings import SettingsError, load_settings

SERVER = {"url": "https://api.example.org/v1", "model": "m"}


def chain(tmp_path: Path, *models: dict[str, Any], **settings: str) -> ModelChain:
    told = {"STRONGROOM_DATA_DIR": str(tmp_path), "STRONGROOM_MODELS": json.dumps(models)}
    told |= {f"STRONGROOM_{name.upper()}": value for name, value in settings.items()}
    database = Database.at("postgresql://nowhere/nothing")
    built: ModelChain = Container(settings=load_settings(told), database=database).chain()
    return built


def test_the_chain_is_what_was_chosen_and_quoting_at_its_end(tmp_path: Path) -> None:
    built = chain(
        tmp_path, {"name": "a", "options": SERVER}, {"name": "b", "options": {**SERVER, "key": "k"}}
    )
    assert built.names == ["a", "b", "extractive-1"]
    assert (built.named(None), built.free_model) == ("a", "extractive-1")
    assert all(isinstance(each, TracedModel) for each in built.models[:2])
    assert [type(getattr(each, "model", each)) for each in built.models] == [
        OpenAICompatibleModel, OpenAICompatibleModel, ExtractiveModel,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"plugin": "oracle"}, ["no plugin 'oracle'", "extractive, llama_cpp, openai_compatible"]),
        ({"options": {"model": "m"}}, ["'a' cannot be used", "url"]),
        ({"options": {**SERVER, "tempreature": 1}}, ["tempreature"]),
        ({"options": {**SERVER, "key": "sk-secret", "key_file": "/k"}}, ["set one of them"]),
        ({"options": {**SERVER, "key_file": "/nowhere/key"}}, ["/nowhere/key"]),
        ({"options": {**SERVER, "url": "http://api.example.org/v1"}}, ["https"]),
        ({"options": {**SERVER, "url": "http://8.8.8.8/v1"}}, ["https"]),
        ({"options": {**SERVER, "url": "https://user:sk-secret@x/v1"}}, ["url"]),
        ({"plugin": "llama_cpp", "options": {"file": "/nowhere/x.gguf"}}, ["'a' cannot be used"]),
        ({"plugin": "llama_cpp", "options": {"threads": 0}}, ["threads"]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_without_its_secrets(
    tmp_path: Path, model: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as refused:
        chain(tmp_path, {"name": "a", **model})
    for word in words:
        assert word in str(refused.value)
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.org/v1", "http://127.0.0.1:8080/v1", "http://[::1]:8080/v1",
        "http://localhost/v1", "http://ollama:11434/v1", "http://10.1.2.3/v1",
        "http://vllm.models.svc.cluster.local/v1",
    ],
)  # fmt: skip
async def test_prompts_go_over_http_within_a_private_network_alone(url: str) -> None:
    model = language_model("openai_compatible", "a", {**SERVER, "url": url})
    await model.close()


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a name of its own"):
        chain(tmp_path, {"name": "extractive-1", "options": SERVER})


def test_a_budget_in_money_demands_a_price(tmp_path: Path) -> None:
    priced = {"name": "gpt-4.1-mini", "options": SERVER}
    chain(tmp_path, priced, budget_cost_per_person="1")
    with pytest.raises(SettingsError, match="no price for 'own'"):
        chain(tmp_path, priced, {"name": "own", "options": SERVER}, budget_cost_per_person="1")
    chain(tmp_path, {"name": "own", "options": SERVER}, budget_tokens_per_person="1")
    prices = tmp_path / "prices.toml"
    prices.write_text("currency = 1")
    with pytest.raises(SettingsError, match="prices_file"):
        chain(tmp_path, priced, prices_file=str(prices))
    with pytest.raises(SettingsError, match="prices_file"):
        chain(tmp_path, priced, prices_file=str(tmp_path / "absent"))


EMBEDDINGS = {"url": "https://api.example.org/v1", "model": "e", "dimensions": 512}


def embedders(tmp_path: Path, **settings: Any) -> list[Embedder]:
    told = {"STRONGROOM_DATA_DIR": str(tmp_path)}
    for name, value in settings.items():
        written = value if isinstance(value, str) else json.dumps(value)
        told[f"STRONGROOM_{name.upper()}"] = written
    database = Database.at("postgresql://nowhere/nothing")
    return list(Container(settings=load_settings(told), database=database).embedders())


def remote(**options: Any) -> dict[str, Any]:
    return {"plugin": "openai_compatible", "options": EMBEDDINGS | options}


def test_the_embedder_that_comes_along_is_the_one_before_unless_another_is_named(
    tmp_path: Path,
) -> None:
    assert [type(each) for each in embedders(tmp_path)] == [MiniLMEmbedder]
    assert [type(each) for each in embedders(tmp_path, embedder="minilm")] == [MiniLMEmbedder]
    moving = embedders(tmp_path, embedder=remote(languages="en de"))
    assert [type(each) for each in moving] == [OpenAICompatibleEmbedder, MiniLMEmbedder]
    assert (moving[0].model, moving[0].dimensions) == ("e@512", 512)
    assert moving[0].languages == {"en", "de"}  # type: ignore[attr-defined]
    named = embedders(tmp_path, embedder=remote(name="e-2"), embedder_before=remote())
    assert [each.model for each in named] == ["e-2", "e@512"]
    back = embedders(tmp_path, embedder="minilm", embedder_before=remote())
    assert [type(each) for each in back] == [MiniLMEmbedder, OpenAICompatibleEmbedder]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"embedder": "oracle"}, ["no plugin 'oracle'", "minilm, openai_compatible"]),
        ({"embedder": "{"}, ["embedder", "STRONGROOM_EMBEDDER"]),
        ({"embedder": {"plugn": "minilm"}}, ["embedder", "plugn"]),
        ({"embedder": {"plugin": "minilm", "options": {"x": 1}}}, ["'minilm' cannot be used"]),
        ({"embedder": {"plugin": "openai_compatible"}}, ["cannot be used", "url"]),
        ({"embedder": remote(dimensions=3_585)}, ["dimensions", "3584"]),
        ({"embedder": remote(url="http://8.8.8.8/v1")}, ["https"]),
        ({"embedder": remote(key="sk-secret", key_file="/k")}, ["set one of them"]),
        ({"embedder": remote(languages="english!")}, ["languages"]),
        ({"embedder": remote(), "embedder_before": remote(texts_at_once=2)}, ["the same model"]),
    ],
)
def test_an_embedder_that_cannot_be_used_is_named_without_its_secrets(
    tmp_path: Path, settings: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as refused:
        embedders(tmp_path, **settings)
    for word in words:
        assert word in str(refused.value)
    assert "sk-secret" not in str(refused.value)
