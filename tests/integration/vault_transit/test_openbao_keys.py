"""The transit engine of a real OpenBao keeps the contract of KeyService."""

from __future__ import annotations

import secrets

import httpx2
import pytest

from adapters.contracts.key_service import KeyServiceContract
from adapters.vault_transit.faults import VaultUnusable
from application.ports import DataKey
from application.vault.key_service import KeyService, KeyServiceUnavailable, SigningPurpose
from tests.integration.openbao import Bao
from tests.integration.vault_transit.conftest import Connected

pytestmark = pytest.mark.services


class TestVaultTransit(KeyServiceContract):
    @pytest.fixture
    async def keys(self, connected: Connected, prefix: str) -> KeyService:
        return await connected(prefix)

    @pytest.fixture
    async def elsewhere(self, keys: KeyService, connected: Connected, prefix: str) -> KeyService:
        return await connected(prefix, create=False)

    @pytest.fixture
    async def stranger(self, connected: Connected) -> KeyService:
        return await connected(f"stranger-{secrets.token_hex(8)}")


async def test_missing_keys_are_not_made_where_others_were_used(
    connected: Connected, prefix: str
) -> None:
    with pytest.raises(VaultUnusable, match=f"no key {prefix}-root"):
        await connected(prefix, create=False)


@pytest.mark.parametrize(
    "made", [{"exportable": True}, {"derived": True}, {"type": "aes128-gcm96"}]
)
async def test_a_key_made_otherwise_is_not_used(
    bao: Bao, connected: Connected, prefix: str, made: dict[str, object]
) -> None:
    async with httpx2.AsyncClient(headers={"X-Vault-Token": bao.token}, trust_env=False) as http:
        await http.post(f"{bao.url}/v1/transit/keys/{prefix}-root", json=made)
    with pytest.raises(VaultUnusable, match="has to be of type aes256-gcm96"):
        await connected(prefix)


async def test_a_token_that_may_not_is_an_outage_and_is_not_told(
    connected: Connected, prefix: str
) -> None:
    keys = await connected(prefix)
    keys.client.token = lambda: "canary-token"
    keys.client._token = None
    with pytest.raises(KeyServiceUnavailable) as refused:
        await keys.wrap(DataKey(bytes(32)), ())
    assert "canary" not in repr(refused.value) + repr(keys) + str(refused.value.__cause__)


async def test_a_key_rotated_by_hand_still_signs_as_before(
    bao: Bao, connected: Connected, prefix: str
) -> None:
    keys = await connected(prefix)
    before = await keys.sign(SigningPurpose.LOG, b"checkpoint"), await keys.secret("cursors")
    async with httpx2.AsyncClient(headers={"X-Vault-Token": bao.token}, trust_env=False) as http:
        for name in ("sign-log", "secrets"):
            await http.post(f"{bao.url}/v1/transit/keys/{prefix}-{name}/rotate")
    after = await keys.sign(SigningPurpose.LOG, b"checkpoint"), await keys.secret("cursors")
    assert after == before
