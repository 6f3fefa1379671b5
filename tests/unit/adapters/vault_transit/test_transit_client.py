"""A transit engine that is away, slow, sealed, or answers strangely; played by a scripted server.

What a real engine answers is in tests/integration/vault_transit. Here the trouble is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from adapters.vault_transit.client import NotAccepted, NotThere, TransitClient, http_client
from adapters.vault_transit.key_service import VaultTransit
from application.ports import DataKey
from application.vault.key_service import KeyServiceUnavailable, RootKeyDestroyed

SECONDS_MAX = 0.6
FINE = b'{"data":{"ciphertext":"vault:v1:' + b"A" * 80 + b'"}}'


@dataclass
class Engine:
    """Answers each request with the next of `answers`, and with the last one ever after."""

    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, FINE)])
    heard: list[bytes] = field(default_factory=list)
    pause_seconds: float = 0.0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard.append(head)
        await asyncio.sleep(self.pause_seconds)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        length = f"HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(length.encode() + body)
        writer.close()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield engine
    server.close()


@pytest.fixture
async def tokens() -> list[str]:
    """Read from the end: the last one is what the token's file holds now."""
    return ["first-token"]


@pytest.fixture
async def transit(engine: Engine, tokens: list[str]) -> AsyncIterator[VaultTransit]:
    client = TransitClient(
        url=engine.url,
        mount="transit",
        token=lambda: tokens[-1],
        http=http_client(),
        seconds_max=SECONDS_MAX,
    )
    transit = VaultTransit(client=client, prefix="strongroom")
    yield transit
    await transit.close()


async def test_what_may_be_repeated_is_repeated(engine: Engine, transit: VaultTransit) -> None:
    engine.answers = [(503, b""), (429, b""), (200, FINE)]
    assert len(await transit.wrap(DataKey(bytes(32)), ())) == 64
    assert len(engine.heard) == 3
    assert engine.heard[0].startswith(b"POST /v1/transit/encrypt/strongroom-root ")


async def test_a_rotation_is_not_repeated(engine: Engine, transit: VaultTransit) -> None:
    engine.answers = [(503, b"")]
    with pytest.raises(KeyServiceUnavailable):
        await transit.rotate()
    assert len(engine.heard) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"the canary"),
        (302, b""),
        (200, b"not json, canary"),
        (200, b'{"data":null}'),
        (200, b'{"data":{"ciphertext":"canary"}}'),
        (200, b'{"data":{"ciphertext":"vault:v1:not base64"}}'),
        (200, b'{"data":{"ciphertext":"' + b"x" * 300_000 + b'"}}'),
    ],
)
async def test_trouble_is_an_outage_that_quotes_nothing(
    engine: Engine, transit: VaultTransit, answer: tuple[int, bytes]
) -> None:
    engine.answers = [answer]
    with pytest.raises(KeyServiceUnavailable) as outage:
        await transit.wrap(DataKey(bytes(32)), ())
    assert outage.value.__cause__ is None
    assert "canary" not in str(outage.value)
    assert "first-token" not in repr(transit)


async def test_silence_is_waited_for_only_so_long(engine: Engine, transit: VaultTransit) -> None:
    engine.pause_seconds = 30.0
    began = time.monotonic()
    with pytest.raises(KeyServiceUnavailable):
        await transit.unwrap(bytes([0, 0, 0, 1]) + bytes(60), ())
    assert time.monotonic() - began < 3 * SECONDS_MAX


async def test_nobody_there_is_an_outage(transit: VaultTransit) -> None:
    transit.client.url = "http://127.0.0.1:1"
    with pytest.raises(KeyServiceUnavailable):
        await transit.secret("cursors")


async def test_a_renewed_token_is_read_when_the_old_one_has_ended(
    engine: Engine, transit: VaultTransit, tokens: list[str]
) -> None:
    await transit.wrap(DataKey(bytes(32)), ())
    tokens.append("second-token")
    engine.answers = [(403, b""), (200, FINE)]
    await transit.wrap(DataKey(bytes(32)), ())
    assert [b"second-token" in head for head in engine.heard] == [False, False, True]
    engine.answers = [(403, b"")]
    with pytest.raises(KeyServiceUnavailable):
        await transit.wrap(DataKey(bytes(32)), ())
    assert len(engine.heard) == 4


async def test_a_version_that_policy_forbids_was_destroyed(
    engine: Engine, transit: VaultTransit
) -> None:
    told = b'{"type":"aes256-gcm96","latest_version":3,"min_decryption_version":3}'
    engine.answers = [(400, b""), (200, b'{"data":' + told + b"}")]
    with pytest.raises(RootKeyDestroyed):
        await transit.unwrap(bytes([0, 0, 0, 2]) + bytes(60), ())


@pytest.mark.parametrize(("status", "kind"), [(400, NotAccepted), (404, NotThere)])
async def test_a_refusal_is_told_from_an_outage(
    engine: Engine, transit: VaultTransit, status: int, kind: type[Exception]
) -> None:
    engine.answers = [(status, b"")]
    with pytest.raises(kind):
        await transit.client.ask("keys/none", dict)
