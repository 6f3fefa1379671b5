"""Many readers of streams in one process, told on standard input and telling on standard output.

{"port", "requests": [...]}     one line: the heads of HTTP requests, with their bodies
opened N                        once every one of them has its first bytes
{"tokens", "lost", ...}         once every stream is over, or nothing came for a minute
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.stamps import TOKEN, TOKENS

AT_ONCE = 16
TRIES_MAX = 60
SILENT_SECONDS_MAX = 60.0
TAIL_BYTES = 64
_ENDS = (b"[DONE]", b"event: completed")


class Reader(asyncio.Protocol):
    """Counts the tokens of one stream, and how late each was, in milliseconds."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._tail = b""
        self._head = b""
        self.places: list[int] = []
        self.late_ms: list[float] = []
        self.read_at = time.monotonic()
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[bool] = loop.create_future()
        """False where the server has no room yet: 503."""
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, read: bytes) -> None:
        now = time.monotonic_ns()
        self.read_at = now / 1e9
        if not self.opened.done():
            self._head += read
            if b"\r\n\r\n" not in self._head:
                return
            if self._head.startswith(b"HTTP/1.1 503"):
                self.opened.set_result(False)
                return
            if not self._head.startswith(b"HTTP/1.1 200"):
                self.opened.set_exception(AssertionError(self._head[:400]))
                return
            self.opened.set_result(True)
        read = self._tail + read
        end = 0
        for token in TOKEN.finditer(read):
            self.places.append(int(token[1]))
            self.late_ms.append((now - int(token[2])) / 1e6)
            end = token.end()
        if any(each in read for each in _ENDS) and not self.ended.done():
            self.ended.set_result(None)
            self._transport.close()
        self._tail = read[max(end, len(read) - TAIL_BYTES) :]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(False)
        if not self.ended.done():
            self.ended.set_result(None)

    def close(self) -> None:
        self._transport.close()


async def main() -> None:
    told = json.loads(sys.stdin.readline())
    turns = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def opened(request: str) -> Reader:
        async with turns:
            for _ in range(TRIES_MAX):
                _, reader = await loop.create_connection(
                    lambda: Reader(request.encode()), "127.0.0.1", told["port"]
                )
                if await reader.opened:
                    return reader
                reader.close()
                await asyncio.sleep(1.0)
        raise AssertionError("the server has no room")

    readers = await asyncio.gather(*map(opened, told["requests"]))
    print(f"opened {len(readers)}", flush=True)
    while waiting := [each for each in readers if not each.ended.done()]:
        last = max(each.read_at for each in readers)
        if time.monotonic() - last > SILENT_SECONDS_MAX:
            break
        await asyncio.wait([each.ended for each in waiting], timeout=1.0)
    whole = list(range(TOKENS))
    print(
        json.dumps(
            {
                "late_ms": [round(late, 3) for each in readers for late in each.late_ms],
                "lost": sum(len(set(whole) - set(each.places)) for each in readers),
                "wrong": sum(each.places != whole for each in readers),
                "unended": len(waiting),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
