"""The model file: built once, by one process, and again when it is damaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.embedding.minilm import MiniLMEmbedder
from adapters.embedding.minilm_file import NAME, ModelNotBuilt, built_model
from adapters.embedding.minilm_weights import (
    TENSORS,
    WeightsAltered,
    WeightsNotInstalled,
    published_file,
)

BUILD_STAGES = [
    "checking the weights of the embedding model",
    "building the graph of the embedding model",
    "quantizing the embedding model",
]


@pytest.mark.slow
def test_two_processes_at_once_build_one_model(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from adapters.embedding.minilm_file import built_model\n"
        "assert len(built_model(pathlib.Path(sys.argv[1]), print)) > 20_000_000\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(said) == [[], BUILD_STAGES]
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"{NAME}.lock", f"{NAME}.onnx", f"{NAME}.onnx.sha256"]

    # A damaged file is noticed and built again, to the same bytes.
    model = tmp_path / f"{NAME}.onnx"
    intact = model.read_bytes()
    model.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    (tmp_path / f"{NAME}.building").mkdir()  # as a killed build leaves it
    stages: list[str] = []
    assert built_model(tmp_path, stages.append) == intact
    assert stages == BUILD_STAGES
    assert sorted(path.name for path in tmp_path.iterdir()) == kept

    # And an intact one is not.
    assert built_model(tmp_path, stages.append) == intact
    assert stages == BUILD_STAGES


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file, not a directory")
    with pytest.raises(ModelNotBuilt, match="occupied"):
        built_model(tmp_path / "occupied" / "models", print)


def test_missing_weights_are_named_with_the_way_to_get_them() -> None:
    with pytest.raises(WeightsNotInstalled, match=r"no-such-weights.*make install"):
        published_file(TENSORS, package="no_such_weights")


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "counterfeit_weights"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('the code was imported')")
    (package / "model" / TENSORS).write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsAltered, match="counterfeit-weights"):
        published_file(TENSORS, package=package.name)


async def test_a_failure_to_load_is_repeated_without_a_new_attempt(tmp_path: Path) -> None:
    occupied = tmp_path / "models"
    occupied.write_text("a file, not a directory")
    embedder = MiniLMEmbedder(occupied, threads=1)
    with pytest.raises(ModelNotBuilt):
        await embedder.warm()
    occupied.unlink()  # the cause is gone, but nobody looks again so soon
    with pytest.raises(ModelNotBuilt):
        await embedder.embed_query("anyone?")
    assert not occupied.exists()
    await embedder.close()
