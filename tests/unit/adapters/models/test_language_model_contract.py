"""The models that come with Strongroom keep the contract of language models."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.contracts.language_model import SENTENCE, LanguageModelContract
from adapters.memory.scripted_model import ScriptedModel
from adapters.models.extractive import ExtractiveModel
from adapters.models.openai_compatible import OpenAICompatibleModel, model_client
from adapters.telemetry.language_model import TracedModel
from application.chat.language_model import LanguageModel, Spent, Text
from tests.scripted_upstream import answering, upstream


class TestExtractiveModel(LanguageModelContract):
    keeps_output_limit = False

    @pytest.fixture
    def model(self) -> ExtractiveModel:
        return ExtractiveModel()


class TestScriptedModel(LanguageModelContract):
    keeps_output_limit = False

    @pytest.fixture
    def model(self) -> ScriptedModel:
        return ScriptedModel(script=[Text(SENTENCE), Spent(input_tokens=5, output_tokens=9)])


class TestTracedModel(LanguageModelContract):
    keeps_output_limit = False

    @pytest.fixture
    def model(self) -> TracedModel:
        return TracedModel(model=ExtractiveModel(), provider="extractive")


class TestOpenAICompatibleModel(LanguageModelContract):
    @pytest.fixture
    async def model(self) -> AsyncIterator[LanguageModel]:
        async with upstream(answering("2,500 ", "euros.")) as server:
            model = OpenAICompatibleModel(
                name="m", base_url=server.url, model="m", key=None, client=model_client()
            )
            yield model
            await model.close()
