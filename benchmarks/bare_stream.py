"""The peer without anything: one ASGI function that sends its tokens, on the same server as ours.

python -m benchmarks.bare_stream PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from benchmarks.stamps import tokens
from entrypoints.http.drain import Drain
from entrypoints.http.server import DrainAwareServer, ServerSettings

HEAD = [(b"content-type", b"text/event-stream")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    is_stream = scope["path"] == "/stream"
    await send({"type": "http.response.start", "status": 200, "headers": HEAD})
    if is_stream:
        await send({"type": "http.response.body", "body": b":\n\n", "more_body": True})
        async for token in tokens():
            frame = f'data: {{"text":"{token}"}}\n\n'.encode()
            await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


if __name__ == "__main__":
    settings = ServerSettings(port=int(sys.argv[1]))
    asyncio.run(DrainAwareServer(app, settings, Drain()).serve())
