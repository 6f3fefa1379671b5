"""A real OpenBao in development mode, with its transit engine: `.ci/services.sh` installs it."""

from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2

START_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Bao:
    """A server with a transit engine mounted at `transit`."""

    url: str
    token: str
    process: subprocess.Popen[bytes]


@asynccontextmanager
async def openbao(program: str) -> AsyncIterator[Bao]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="strongroom-bao-") as home:
        arguments = [f"-dev-root-token-id={token}", f"-dev-listen-address={address}"]
        process = subprocess.Popen(  # noqa: ASYNC220 - it is the session's own
            [program, "server", "-dev", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"HOME": home, "PATH": "/usr/bin:/bin"},
        )
        try:
            await _mount(f"http://{address}", token)
            yield Bao(f"http://{address}", token, process)
        finally:
            process.kill()
            process.wait()


async def _mount(url: str, token: str) -> None:
    headers = {"X-Vault-Token": token}
    async with httpx2.AsyncClient(trust_env=False, headers=headers) as http:
        async with asyncio.timeout(START_SECONDS_MAX):
            while True:
                try:
                    asked = {"type": "transit"}
                    done = await http.post(f"{url}/v1/sys/mounts/transit", json=asked)
                except httpx2.HTTPError:
                    await asyncio.sleep(0.1)
                else:
                    assert done.status_code == 204, done.text
                    return
