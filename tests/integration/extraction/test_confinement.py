"""What a reader can no longer do, whatever code runs in it."""

from __future__ import annotations

import asyncio
import sys

_PROBE = """
import os, socket, sys
from adapters.extraction.confinement import Confinement
from adapters.extraction.limits import ExtractionLimits
attempts = {
    "open a file": lambda: open("/etc/hosts"),
    "open a socket": socket.socket,
    "make a pipe": os.pipe,
    "fork": lambda: os.fork() or os._exit(0),
    "take two gibibytes": lambda: bytearray(2 << 30),
}
confinement = Confinement()
confinement.give_up_privileges()
waiting = os.getpid()
if os.fork() == 0:
    os.closerange(3, 1_000)
    confinement.confine_reader(ExtractionLimits(), waiting)
    for name, attempt in attempts.items():
        try:
            attempt()
            print(name, flush=True)
        except (OSError, MemoryError):
            pass
    print("done", os.geteuid() != 0, flush=True)
    os._exit(0)
os.wait()
"""


async def test_a_reader_opens_nothing_starts_nothing_and_is_not_root() -> None:
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROBE, stdout=asyncio.subprocess.PIPE
    )
    done, _ = await probe.communicate()
    assert done.decode().splitlines() == ["done True"]
