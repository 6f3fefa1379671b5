"""The checking process: `python -m adapters.json_schema.child SECONDS BYTES`.

Patterns run on an engine whose time is linear in the text, so none of them can be made to hang
(and none can look around or back). A schema can still ask for a number of steps that is
exponential in its size: then the limit on time, or on memory, ends this process.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import jsonschema_rs
from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

from adapters.json_schema.wire import FAULTS_MAX, LENGTH, READY

PATTERN_BYTES_MAX = 1 << 20
DETAIL_LENGTH_MAX = 200
Kind = jsonschema_rs.ValidationErrorKind
_PATTERN = "This is not a pattern that takes linear time: without looking around or back."


def main() -> None:
    seconds, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends this
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    _send(answers, READY)
    while head := asked.read(LENGTH.size):
        (length,) = LENGTH.unpack(head)
        question = asked.read(length)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # nobody handles the signal: it kills
        told = json.dumps(faults(*json.loads(question))).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers, LENGTH.pack(len(told)) + told)


def faults(schema: Any, *records: Any) -> list[tuple[str, str]]:
    """What is to blame in the record, or, without one, in the schema."""
    try:
        validator = Draft202012Validator(
            schema,
            mask="This",
            validate_formats=True,
            ignore_unknown_formats=False,
            retriever=_nothing_is_fetched,
            pattern_options=RegexOptions(
                size_limit=PATTERN_BYTES_MAX, dfa_size_limit=PATTERN_BYTES_MAX
            ),
        )
    except ValidationError as wrong:
        is_pattern = isinstance(wrong.kind, Kind.Format) and wrong.kind.format == "regex"
        return [(_pointer(wrong.instance_path), _PATTERN if is_pattern else _short(wrong.message))]
    except (ReferencingError, ValueError):
        return [("", "This is not a schema of JSON Schema 2020-12.")]
    found: dict[str, str] = {}
    for record in records:
        for error in islice(validator.iter_errors(record), FAULTS_MAX):
            for pointer, detail in _told(error):
                found.setdefault(pointer, detail)
    return list(found.items())[:FAULTS_MAX]


def _told(error: ValidationError) -> Iterator[tuple[str, str]]:
    """An error, with a pointer to the member that is to blame where it tells which one is."""
    here, kind = _pointer(error.instance_path), error.kind
    if isinstance(kind, Kind.Required):
        yield _pointer([*error.instance_path, kind.property]), "This is required and missing."
    elif isinstance(kind, Kind.AdditionalProperties | Kind.UnevaluatedProperties):
        for name in kind.unexpected:
            yield _pointer([*error.instance_path, name]), "There is no such field here."
    elif isinstance(kind, Kind.PropertyNames):
        yield here, "This has a field whose name is not allowed."
    else:
        yield here, _short(error.message)


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _short(message: str) -> str:
    return " ".join(message.split())[:DETAIL_LENGTH_MAX]


def _nothing_is_fetched(_: str) -> Any:
    raise ValueError("nothing is fetched")


def _send(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)
    stream.flush()


if __name__ == "__main__":
    main()
