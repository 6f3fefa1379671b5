"""Somebody who asks questions, over HTTP like everybody else, and looks at the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from domain.chat.answer import sentences_of
from entrypoints.cli.evaluation.chat_measures import Answered, CitedSpan
from entrypoints.cli.evaluation.failure import EvaluationNotPossible
from entrypoints.cli.evaluation.searcher import ATTEMPTS_MAX, SECONDS_MAX, Searcher
from entrypoints.cli.story.events import events_of

ANSWER_SECONDS_MAX = 600.0


class Asker(Searcher):
    """One account of its own, with documents of its own; each question is a new conversation."""

    async def ask(self, question: str) -> Answered:
        """Raises EvaluationNotPossible where nothing is answered."""
        begun = await self._call("POST", "/v1/conversations", json={})
        path = f"/v1/conversations/{begun['id']}/messages"
        for _ in range(ATTEMPTS_MAX):
            answer, wait_seconds = await self._answer(path, question)
            if answer is not None:
                return answer
            await asyncio.sleep(wait_seconds)
        raise EvaluationNotPossible(f"POST {path} was never answered.")

    async def _answer(self, path: str, question: str) -> tuple[Answered | None, float]:
        """The answer, or for how many seconds to wait before the question is asked again."""
        began = time.perf_counter()
        told: list[tuple[str, dict[str, Any]]] = []
        first: float | None = None
        async with self.client.stream(
            "POST",
            path,
            json={"content": question},
            headers={"Accept": "text/event-stream"},
            timeout=ANSWER_SECONDS_MAX,
        ) as response:
            if response.status_code in (429, 503):
                return None, min(float(response.headers.get("retry-after", "1")), 60.0)
            if response.status_code != httpx2.codes.OK:
                raise EvaluationNotPossible(f"POST {path} was answered by {response.status_code}.")
            async for event in events_of(response.aiter_bytes()):
                if first is None and event.type == "text_delta":
                    first = (time.perf_counter() - began) * 1_000
                told.append((event.type, event.told))
        whole = (time.perf_counter() - began) * 1_000
        return self._gathered(told, first, whole), 0.0

    def _gathered(
        self, told: list[tuple[str, dict[str, Any]]], first: float | None, whole: float
    ) -> Answered:
        started = [each for kind, each in told if kind == "run_started"]
        if not started or told[-1][0] not in ("completed", "failed", "cancelled", "access_revoked"):
            raise EvaluationNotPossible("An answer broke off before its end.")
        text = "".join(each["text"] for kind, each in told if kind == "text_delta")
        usage = [each for kind, each in told if kind == "usage"]
        taken_over = [each["to"] for kind, each in told if kind == "fallback"]
        costs = [each["cost"] for each in usage if each.get("cost") is not None]
        return Answered(
            text=text,
            citations=[
                CitedSpan(
                    source=self.names.get(each["document_id"] or ""),
                    verified=each["verified"],
                    start=each["answer_start"],
                    end=each["answer_end"],
                )
                for kind, each in told
                if kind == "citation"
            ],
            sentences=[(each.start, each.end) for each in sentences_of(text, ())],
            model=[started[0]["model"], *taken_over][-1],
            prompt_version=started[0]["prompt_version"],
            ended=told[-1][0],
            first_token_milliseconds=first,
            milliseconds=whole,
            input_tokens=sum(each["input_tokens"] for each in usage),
            output_tokens=sum(each["output_tokens"] for each in usage),
            cost=sum(costs) if costs else None,
        )


@asynccontextmanager
async def asker(url: str) -> AsyncIterator[Asker]:
    """A new account; it leaves, with all that was handed in, when the evaluation is over."""
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=SECONDS_MAX, trust_env=False) as client:
            somebody = Asker(client)
            await somebody.join()
            try:
                yield somebody
            finally:
                await asyncio.shield(somebody.leave())
    except httpx2.HTTPError as error:
        raise EvaluationNotPossible(
            f"{url} cannot be reached: {error or type(error).__name__}."
        ) from None
