"""Take out one mechanism after another, in a copy of the project, and see that its test fails.

    python -m tests.mechanisms [--invariant N]

First every test named must pass with all in place. Ends with 1 where one does not, or where one
passes without what it is there for. Takes some minutes; not part of `make test`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.mechanisms.taken_out import MECHANISMS, Mechanism

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 600
FAILED = 1  # pytest's: tests ran, and some failed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--invariant", type=int)
    wanted = parser.parse_args().invariant
    chosen = [each for each in MECHANISMS if wanted in (None, each.invariant)]
    with tempfile.TemporaryDirectory(prefix="strongroom-without-") as scratch:
        copy = _copied(Path(scratch) / "strongroom")
        tests = sorted({test for each in chosen for test in each.test.split()})
        status, said = _run(copy, tests)
        print(f"with everything in place: {_last_line(said)}", flush=True)
        if status:
            print(said)
            return 1
        return max([_without(copy, each) for each in chosen])


def _without(copy: Path, mechanism: Mechanism) -> int:
    with _taken_out(copy, mechanism):
        status, said = _run(copy, mechanism.test.split())
    noticed = status == FAILED and " error" not in _last_line(said)
    why = next(iter(re.findall(r"^E +(.+)$", said, re.MULTILINE)), _last_line(said))
    print(f"{mechanism.invariant:>2}  {'fails' if noticed else 'PASSES'}  {mechanism.what}")
    print(f"           {why[:100]}", flush=True)
    return 0 if noticed else 1


@contextmanager
def _taken_out(copy: Path, mechanism: Mechanism) -> Iterator[None]:
    before = {each.file: (copy / each.file).read_text() for each in mechanism.taken_out}
    for each in mechanism.taken_out:
        path = copy / each.file
        text = path.read_text()
        assert text.count(each.old) == 1, (mechanism.what, each.file)
        path.write_text(text.replace(each.old, each.new))
    try:
        yield
    finally:
        for file, text in before.items():
            (copy / file).write_text(text)


def _copied(copy: Path) -> Path:
    """What is under version control, as it stands here."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    return copy


def _run(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider"),
        *("-p", "no:randomly", f"--basetemp={copy.parent / 'pytest'}", *tests),
    ]
    where = {"PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}"}
    models = {"STRONGROOM_TEST_MODELS": str(ROOT / ".strongroom" / "test-cache" / "models")}
    ran = subprocess.run(
        command,
        cwd=copy,
        env={**models, **os.environ, **where},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def _last_line(said: str) -> str:
    return said.rstrip().rpartition("\n")[2]


if __name__ == "__main__":
    sys.exit(main())
