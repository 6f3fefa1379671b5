"""Calls to models, as spans by OpenTelemetry's conventions for generative AI (`gen_ai.*`).

Of what was asked and answered there is nothing in them: names, counts, times and outcomes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from application.chat.language_model import CutOff, LanguageModel, ModelLimits, Piece, Spent
from domain.chat.prompt import Prompt
from domain.errors import Refusal

_tracer = trace.get_tracer("strongroom")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedModel:
    """`LanguageModel` around another. `provider` is the plugin that it comes from.

    A call that is given up (the asker left, or another one answers) is no error. Without a
    configured SDK it costs some microseconds.
    """

    model: LanguageModel
    provider: str

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def marks_sources(self) -> bool:
        return self.model.marks_sources

    @property
    def is_metered(self) -> bool:
        return self.model.is_metered

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        # Not the current span: whoever reads an async generator may do so in another context.
        span = _tracer.start_span(
            f"chat {self.name}",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": self.provider,
                "gen_ai.request.model": self.name,
                "gen_ai.request.max_tokens": limits.output_tokens_max,
                "gen_ai.request.stream": True,
                "strongroom.prompt.version": prompt.version,
                "strongroom.prompt.excerpts": len(prompt.excerpts),
            },
        )
        began = time.monotonic()
        is_first, finish = True, "stop"
        try:
            async with aclosing(self.model.stream(prompt, limits)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Spent):
                        _note(span, piece)
                    elif isinstance(piece, CutOff):
                        finish = "length"
                    elif is_first:
                        is_first = False
                        seconds = time.monotonic() - began
                        span.set_attribute("gen_ai.response.time_to_first_chunk", seconds)
                    yield piece
            span.set_attribute("gen_ai.response.finish_reasons", [finish])
        except Exception as error:
            # An exception's text may quote what it stumbled over: the span gets its kind alone.
            kind = error.code if isinstance(error, Refusal) else type(error).__name__
            span.set_attribute("error.type", kind)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()

    async def close(self) -> None:
        await self.model.close()


def _note(span: Span, spent: Spent) -> None:
    span.set_attribute("gen_ai.usage.input_tokens", spent.input_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", spent.output_tokens)
    if spent.cached_tokens:
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", spent.cached_tokens)
