"""Keys in a real OpenBao."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from adapters.vault_transit.client import TransitClient, http_client
from adapters.vault_transit.key_service import VaultTransit
from tests.integration.openbao import Bao

Connected = Callable[..., Awaitable[VaultTransit]]


@pytest.fixture
async def connected(bao: Bao) -> AsyncIterator[Connected]:
    """`await connected(prefix)`: keys of their own for each prefix, made where they are missing."""
    made: list[VaultTransit] = []

    async def connect(
        prefix: str, *, token: str | None = None, create: bool = True
    ) -> VaultTransit:
        given = bao.token if token is None else token
        client = TransitClient(
            url=bao.url, mount="transit", token=lambda: given, http=http_client(), seconds_max=5.0
        )
        transit = VaultTransit(client=client, prefix=prefix)
        made.append(transit)
        await transit.prepare(create=create)
        return transit

    yield connect
    for each in made:
        await each.close()


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(8)}"
