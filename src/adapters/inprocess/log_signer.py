"""The log's port for signing, answered by the vault's key service."""

from __future__ import annotations

from dataclasses import dataclass

from application.vault.key_service import Signer, SigningPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyServiceLogSigner:
    """`LogSigner`: signs with the log's key, and with no other."""

    signer: Signer

    async def sign(self, message: bytes) -> bytes:
        return await self.signer.sign(SigningPurpose.LOG, message)

    async def public_key(self) -> bytes:
        return await self.signer.public_key(SigningPurpose.LOG)
