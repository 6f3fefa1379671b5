"""Attest: sign what an answer was made from with the key of the log that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from application.audit.ports import Canonical, LogSigner
from domain.audit.attestation import Attestation, manifest_digest
from domain.audit.checkpoint import log_name
from domain.audit.note import VerifierKey
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestAnswer:
    """Whoever holds the note can show that we said so, whatever we say later."""

    signer: LogSigner
    canonical: Canonical

    async def __call__(
        self, *, caller: Caller, run_id: UUID, manifest: Mapping[str, object]
    ) -> str:
        """The signed note. Raises Unavailable when the key does not answer."""
        name = log_name(caller.tenant_id)
        attestation = Attestation(
            log=name, run_id=run_id, manifest_digest=manifest_digest(self.canonical(manifest))
        )
        key = VerifierKey(name=name, public_key=await self.signer.public_key())
        return attestation.signed(key, await self.signer.sign(attestation.text.encode()))
