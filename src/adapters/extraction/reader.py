"""One forked process that reads one file, answers, and ends."""

from __future__ import annotations

import socket

import msgspec

from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.wire import LENGTH, Rejected, Task, encode_text
from domain.retrieval.rejection import (
    NOT_WHAT_IT_SEEMS,
    TOO_DEEP,
    TOO_MUCH_MEMORY,
    DocumentRejected,
)

# Made beforehand: when memory has run out there is none left to make it.
_OUT_OF_MEMORY = msgspec.msgpack.encode(Rejected(TOO_MUCH_MEMORY))


def answer_one(document: socket.socket, limits: ExtractionLimits) -> None:
    """Receive one task over the socket and send its answer."""
    answer = _answer(document, limits)
    document.sendall(LENGTH.pack(len(answer)))
    document.sendall(answer)


def _answer(document: socket.socket, limits: ExtractionLimits) -> bytes:
    try:
        (length,) = LENGTH.unpack(_received(document, LENGTH.size))
        task = msgspec.msgpack.decode(_received(document, length), type=Task)
        content = _received(document, task.length)
        return encode_text(extract_any(content, task.media_type, limits))
    except DocumentRejected as rejected:
        return msgspec.msgpack.encode(Rejected(rejected.message))
    except MemoryError:
        return _OUT_OF_MEMORY
    except RecursionError:
        return msgspec.msgpack.encode(Rejected(TOO_DEEP))
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is about this document
        return msgspec.msgpack.encode(Rejected(NOT_WHAT_IT_SEEMS, type(error).__qualname__))


def _received(document: socket.socket, length: int) -> bytes:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        count = document.recv_into(rest)
        if count == 0:
            raise EOFError
        rest = rest[count:]
    return bytes(content)
