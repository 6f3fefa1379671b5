"""Lists the benchmarks and runs them.

    python -m benchmarks                 every one that needs no arguments, one after another
    python -m benchmarks --list
    python -m benchmarks NAME [ARGUMENT ...]

A benchmark is a module of this package with a function `main()`. Each runs in a process of its
own, so that what one has loaded is not measured with the next.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
# How a command line says that it was called without what it needs.
USAGE = 2


def benchmarks() -> dict[str, str]:
    """Names, and what each measures: the first line of its docstring."""
    return dict(_found())


def run(name: str, arguments: Sequence[str] = ()) -> int:
    """The exit status of one benchmark."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    # What checks an answer with numpy would leave threads spinning for some 20 ms, and they would
    # be measured with the next question.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=HERE.parent, env=environment, check=False).returncode


def _found() -> Iterator[tuple[str, str]]:
    for path in sorted(HERE.glob("*.py")):
        if path.name == "__main__.py":
            continue
        # Read and not imported: importing all would take longer than some of them measure.
        tree = ast.parse(path.read_text())
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            yield path.stem, (ast.get_docstring(tree) or "").partition("\n")[0]


def _run_all(names: Sequence[str]) -> int:
    left_out, failed = [], []
    for name in names:
        print(f"== {name}", flush=True)
        status = run(name)
        if status == USAGE:
            left_out.append(name)
        elif status:
            failed.append(name)
    if left_out:
        print(f"Left out, for they need arguments: {', '.join(left_out)}")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


def _command(arguments: Sequence[str]) -> int:
    found = benchmarks()
    if not arguments:
        return _run_all(list(found))
    name, *rest = arguments
    if name in found:
        return run(name, rest)
    listing = "\n".join(f"  {each:<20} {about}" for each, about in found.items())
    if name == "--list":
        print(listing)
        return 0
    print(f"There is no benchmark {name!r}. There are:\n{listing}", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(_command(sys.argv[1:]))
