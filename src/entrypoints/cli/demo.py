"""`strongroom demo`: the story of the product, played against a fresh instance and checked."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import httpx2
from rich.console import Console

from entrypoints.cli.story.asking import asha_asks
from entrypoints.cli.story.erasing import asha_erases
from entrypoints.cli.story.instance import Instance, InstanceDidNotStart, fresh_instance
from entrypoints.cli.story.live import waiting
from entrypoints.cli.story.looking import ben_looks
from entrypoints.cli.story.narrowing import asha_shares_less
from entrypoints.cli.story.person import UnexpectedAnswer
from entrypoints.cli.story.plot import Plot
from entrypoints.cli.story.proving import asha_has_it_proven
from entrypoints.cli.story.receipts import ReceiptNotSigned
from entrypoints.cli.story.sharing import asha_shares
from entrypoints.cli.story.stage import WIDTH_MAX, DoesNotHold, Stage
from entrypoints.cli.story.uploading import asha_uploads
from entrypoints.cli.story.withdrawing import asha_withdraws

Scene = tuple[str, Callable[[Plot], Awaitable[None]]]

SCENES: Sequence[Scene] = (
    ("Asha signs up and uploads a folder", asha_uploads),
    ("She asks a question, closes the laptop, and reads on elsewhere", asha_asks),
    ("She shares one document with Ben", asha_shares),
    ("Ben searches and asks", ben_looks),
    ("While Ben's answer is being written, Asha withdraws", asha_withdraws),
    ("Asha asks who has seen her document", asha_has_it_proven),
    ("She erases the document", asha_erases),
    ("She shares one field of a record, and a link with a pass-code", asha_shares_less),
)
SCENE_SECONDS_MAX = 150.0
WORDS_PER_SECOND = 14
WORDS_PER_SECOND_FAST = 35
INTERRUPTED = 130
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


async def play(*, fast: bool, scenes: Sequence[Scene] = SCENES) -> int:
    """The exit status: 0 when everything held, 1 when something did not, 130 when interrupted."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a character that a terminal lacks is no failure
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_MAX
    stage = Stage(console, fast=fast)
    loop, playing = asyncio.get_running_loop(), asyncio.create_task(_play(stage, scenes))
    for each in _INTERRUPTIONS:
        loop.add_signal_handler(each, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        stage.tell("Interrupted: the server was ended, and its directory removed.")
        return INTERRUPTED
    finally:
        for each in _INTERRUPTIONS:
            loop.remove_signal_handler(each)


async def _play(stage: Stage, scenes: Sequence[Scene]) -> int:
    began = time.monotonic()
    async with AsyncExitStack() as parts:
        speed = WORDS_PER_SECOND_FAST if stage.fast else WORDS_PER_SECOND
        instance = await parts.enter_async_context(
            fresh_instance("demo", extractive_words_per_second=speed)
        )
        try:
            with waiting(stage, "Starting a fresh Strongroom in a directory of its own") as report:
                await instance.until_ready(report)
            stage.aside(f"It answers on {instance.url} after {time.monotonic() - began:.1f} s.")
            plot = Plot(
                stage=stage,
                instance=instance,
                devices=await parts.enter_async_context(AsyncExitStack()),
            )
            for number, (title, scene) in enumerate(scenes, 1):
                stage.heading(f"{number}. {title}")
                async with asyncio.timeout(SCENE_SECONDS_MAX):
                    await scene(plot)
                await stage.pause()
        except Exception as failure:  # noqa: BLE001 - whatever ends the story, it is told
            _tell_of(failure, stage, instance)
            return 1
    seconds = time.monotonic() - began
    stage.heading(f"All of it held: {stage.checked} checks in {seconds:.0f} s.")
    return 0


def _tell_of(failure: Exception, stage: Stage, instance: Instance) -> None:
    if isinstance(failure, DoesNotHold):
        stage.heading(f"This does not hold: {failure}.")
    elif isinstance(failure, _ANTICIPATED):
        stage.heading(f"The story cannot go on: {type(failure).__name__}: {failure}")
    else:
        stage.console.print_exception()
    stage.tell("The end of the server's log:")
    stage.console.print(instance.end_of_log(), markup=False, soft_wrap=True)


_ANTICIPATED = (
    UnexpectedAnswer,
    ReceiptNotSigned,
    InstanceDidNotStart,
    httpx2.HTTPError,
    TimeoutError,
)
