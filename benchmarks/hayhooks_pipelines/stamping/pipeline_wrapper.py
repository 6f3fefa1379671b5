"""A pipeline of Hayhooks that does nothing but stream tokens; it runs in Hayhooks' environment."""

# mypy: ignore-errors
from __future__ import annotations

from collections.abc import AsyncGenerator

from hayhooks import BasePipelineWrapper
from stamps import tokens


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    async def run_chat_completion_async(
        self, model: str, messages: list[dict], body: dict
    ) -> AsyncGenerator:
        return tokens()
