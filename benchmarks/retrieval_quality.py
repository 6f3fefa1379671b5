"""Retrieval quality on a collection in BEIR layout, through the public API.

    python -m benchmarks retrieval_quality ../shared/data/collections/cranfield

What began here has become a command of the program, `strongroom eval retrieval`; this runs it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.__main__ import USAGE


def main(arguments: Sequence[str] | None = None) -> None:
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        print("Say which collection: a directory with corpus.jsonl, queries.jsonl and qrels.tsv.")
        sys.exit(USAGE)
    program = Path(sys.executable).with_name("strongroom")
    sys.exit(subprocess.run([program, "eval", "retrieval", *given], check=False).returncode)


if __name__ == "__main__":
    main()
