"""The quantized model file: built once on first use, checked whenever it is read.

Beside `NAME.onnx` lies `NAME.onnx.sha256`, in the form that `sha256sum --check` reads. A file
that does not match its record, whatever the cause, is built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from adapters.embedding.minilm_weights import TENSORS, published_file
from application.retrieval.embedder import EmbedderUnavailable

NAME = "all-MiniLM-L6-v2-int8-1"
"""With the revision of minilm_graph.py at the end: raise it whenever the graph changes."""

Report = Callable[[str], None]
"""Is told the name of each stage as it begins, from whichever thread does the work."""

STAGE = "stage: "
"""Begins each line in which the builder says what it is about to do."""

_BUILD_SECONDS_MAX = 300.0
_LOCK_POLL_SECONDS = 0.1


class ModelNotBuilt(EmbedderUnavailable):
    """The embedding model could not be built."""

    code = "embedding_model_not_built"


def built_model(directory: Path, report: Report) -> bytes:
    """The serialized quantized model, 23 MB, built in `directory` first where need be.

    Blocks: about 20 ms when it is there, some seconds when it is to be built. Safe in several
    processes at once: one builds and the others wait. Raises EmbedderUnavailable.
    """
    model = directory / f"{NAME}.onnx"
    try:
        if (intact := _intact(model)) is not None:
            return intact
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(directory / f"{NAME}.lock") as lock:
            # Whoever held the lock before us has probably built it.
            return _intact(model) or _build(model, lock, report)
    except OSError as error:
        raise ModelNotBuilt(
            f"The embedding model cannot be kept in {directory}: {error.strerror}."
        ) from error


def _intact(model: Path) -> bytes | None:
    try:
        serialized, record = model.read_bytes(), _record(model).read_text("ascii", "replace")
    except FileNotFoundError:
        return None
    return serialized if record == _line(model, serialized) else None


def _build(model: Path, lock: int, report: Report) -> bytes:
    report("checking the weights of the embedding model")
    weights = published_file(TENSORS)
    scratch = model.with_name(f"{NAME}.building")
    shutil.rmtree(scratch, ignore_errors=True)  # of a build that was killed
    scratch.mkdir()
    try:
        _run_builder(weights, scratch / "model", lock, report)
        serialized = (scratch / "model").read_bytes()
        (scratch / "record").write_text(_line(model, serialized), "ascii")
        # Each replacement is atomic and the pair is not: between the two the file does not
        # match its record, and is built again.
        (scratch / "record").replace(_record(model))
        (scratch / "model").replace(model)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return serialized


def _run_builder(weights: Path, target: Path, lock: int, report: Report) -> None:
    module = "adapters.embedding.minilm_graph"
    # The builder inherits the lock: it stays held until the builder ends, even if we are killed.
    with subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(weights), str(target)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={
            "PATH": os.defpath,
            "TMPDIR": str(target.parent),
            "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime would report its use to its maker
        },
        pass_fds=[lock],
    ) as builder:
        last_line = _follow(builder, report)
    if builder.returncode != 0:
        raise ModelNotBuilt(f"The embedding model could not be built: {last_line}")


def _follow(builder: subprocess.Popen[str], report: Report) -> str:
    last_line = "the builder said nothing"
    with _killed_after(builder, _BUILD_SECONDS_MAX):
        for line in builder.stdout or ():
            if line.startswith(STAGE):
                report(line.removeprefix(STAGE).strip())
            elif line.strip():
                last_line = line.strip()[:300]
        builder.wait()
    return last_line


@contextmanager
def _killed_after(builder: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    timer = Timer(seconds, builder.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    deadline = time.monotonic() + _BUILD_SECONDS_MAX
    with path.open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ModelNotBuilt(
                        "Another process has been building the embedding model for too long."
                    ) from None
                time.sleep(_LOCK_POLL_SECONDS)
        yield file.fileno()


def _record(model: Path) -> Path:
    return model.with_name(f"{model.name}.sha256")


def _line(model: Path, serialized: bytes) -> str:
    return f"{hashlib.sha256(serialized).hexdigest()}  {model.name}\n"
