"""Runs in this process: each answered by a task of its own, detached from whoever asked."""

from __future__ import annotations

import asyncio

import structlog

from application.chat.answer_question import AnswerQuestion
from application.chat.ports import AskedQuestion, RunLogs

CLOSE_SECONDS_MAX = 20.0

log = structlog.get_logger(__name__)


class RunExecutor:
    """`RunStarter`. Belongs to one event loop."""

    def __init__(self, *, answer: AnswerQuestion, logs: RunLogs, runs_at_once: int = 256) -> None:
        self._answer = answer
        self._logs = logs
        self._runs_at_once = runs_at_once
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    @property
    def has_room(self) -> bool:
        return not self._draining and len(self._tasks) < self._runs_at_once

    @property
    def running(self) -> int:
        return len(self._tasks)

    def start(self, asked: AskedQuestion) -> None:
        task = asyncio.create_task(self._run(asked), name=f"run {asked.run.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, seconds: float) -> None:
        """Start nothing more; let runs finish for so long, then end the rest as retryable."""
        self._draining = True
        if not self._tasks:
            return
        await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS_MAX)

    async def _run(self, asked: AskedQuestion) -> None:
        try:
            async with self._logs.open(asked) as opened:
                await self._answer(asked=asked, log=opened)
        except Exception as error:  # noqa: BLE001  the run has ended as failed; this is for us
            frames = error.__traceback__
            while frames is not None and frames.tb_next is not None:
                frames = frames.tb_next
            where = "" if frames is None else f"{frames.tb_frame.f_code.co_qualname}"
            log.error("run_broken", exception=type(error).__name__, where=where)
