"""Encryption of streams and of values, and of keys, beside `openssl speed` in the same minute.

    python -m benchmarks encryption [--rounds N]

Streams come in pieces of 64 KiB and are read back whole; values have 4 KiB. Keys are wrapped and
unwrapped by the local keyring. The peer is AES-256-GCM over 16 KiB, the size of our chunks.
Both sides count the time of the processor, as `openssl speed` does: others share the machine. And
both find their bytes in its cache, as in life, where they come out of a socket: what is sealed is
one piece over and over, as the peer's is, and what is opened is one stream of a MiB over and over.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from adapters.encryption.chunked import sealed_length
from adapters.encryption.cipher import AesGcmCipher
from adapters.encryption.keyring import LocalKeyring
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report

PIECE = 64 * 1024
STREAM_BYTES = 128 * 1024 * 1024
OPENED_BYTES = 1024 * 1024
VALUES = 5_000
KEYS = 2_000
CONTEXT = (b"tenant", b"owner", b"document", b"content")
SEAL, OPEN, PEER = "seal a stream", "open a stream", "openssl speed"
VALUE, KEY = "value of 4 KiB", "key"


async def measure(rounds: int) -> None:
    cipher = AesGcmCipher()
    key = cipher.new_key()
    piece = bytes(range(256)) * (PIECE // 256)

    async def plaintext(length: int) -> AsyncIterator[bytes]:
        for _ in range(length // PIECE):
            yield piece

    short = cipher.seal_stream(key, plaintext(OPENED_BYTES), CONTEXT)
    sealed = b"".join([part async for part in short])

    async def seal() -> Figures:
        began, length = time.process_time(), 0
        async for part in cipher.seal_stream(key, plaintext(STREAM_BYTES), CONTEXT):
            length += len(part)
        assert length == sealed_length(STREAM_BYTES)
        return {"microseconds_per_mib": _per_mib(time.process_time() - began)}

    # Cut beforehand: what it takes to cut is the store's, not the cipher's.
    pieces = [sealed[at : at + PIECE] for at in range(0, len(sealed), PIECE)]

    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        assert (start, end) == (0, len(sealed))
        for each in pieces:
            yield each

    async def opened() -> Figures:
        began, length = time.process_time(), 0
        for _ in range(STREAM_BYTES // OPENED_BYTES):
            stream = cipher.open_stream(
                key, read, CONTEXT, sealed_length=len(sealed), start=0, end=OPENED_BYTES
            )
            async for part in stream:
                length += len(part)
        assert length == STREAM_BYTES
        return {"microseconds_per_mib": _per_mib(time.process_time() - began)}

    async def peer() -> Figures:
        command = ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-gcm"]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=True
        )
        (kilobytes,) = re.findall(r"^AES-256-GCM\s+([\d.]+)k", done.stdout, re.M | re.I)
        return {"microseconds_per_mib": 2**20 / (float(kilobytes) * 1000) * 1e6}

    async def values() -> Figures:
        value = piece[:4096]
        began = time.process_time()
        kept = [cipher.seal(key, value, CONTEXT) for _ in range(VALUES)]
        between = time.process_time()
        assert all(cipher.open(key, each, CONTEXT) == value for each in kept)
        return {
            "seal_microseconds": (between - began) / VALUES * 1e6,
            "open_microseconds": (time.process_time() - between) / VALUES * 1e6,
        }

    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        keyring = LocalKeyring.open(Path(scratch) / "keyring.json", None, create=True)

        async def keys() -> Figures:
            fresh = await keyring.generate()
            began = time.process_time()
            wrapped = [await keyring.wrap(fresh, CONTEXT) for _ in range(KEYS)]
            between = time.process_time()
            for each in wrapped:
                assert (await keyring.unwrap(each, CONTEXT)).secret == fresh.secret
            return {
                "seal_microseconds": (between - began) / KEYS * 1e6,
                "open_microseconds": (time.process_time() - between) / KEYS * 1e6,
            }

        sides = {SEAL: seal, OPEN: opened, PEER: peer, VALUE: values, KEY: keys}
        measured = await by_turns("encryption", sides, rounds=rounds)
    report(
        measured,
        goals=[
            Goal(figure="microseconds_per_mib", side=SEAL, against=PEER, ratio_max=1 / 0.85),
            Goal(figure="microseconds_per_mib", side=OPEN, against=PEER, ratio_max=1 / 0.85),
            Goal(figure="seal_microseconds", side=VALUE, at_most=20),
            Goal(figure="open_microseconds", side=VALUE, at_most=20),
        ],
        notes=(f"{STREAM_BYTES // 2**20} MiB were sealed and opened each time, and all came out.",),
    )


def _per_mib(seconds: float) -> float:
    return seconds / (STREAM_BYTES / 2**20) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
