"""Accept: what a witness signed, to be shown to everyone who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.audit.ports import AuditTrail, LogSigner
from domain.audit.checkpoint import log_name, open_checkpoint
from domain.audit.cosignature import Cosignature, WitnessKey, cosignatures_of
from domain.audit.note import NoteNotValid, VerifierKey, Verify
from domain.errors import Conflict, Invalid
from domain.identity import TenantId


class CosignatureNotAccepted(Invalid):
    """Wanted is a checkpoint of this log with the cosignature of a witness that is known here."""

    code = "cosignature_not_accepted"


class CheckpointUnknown(Conflict):
    """This log signed a checkpoint that it does not have any more: its database was rolled back."""

    code = "checkpoint_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptCosignatures:
    """Of the witnesses that the operator named. Accepting the same one again changes nothing."""

    trail: AuditTrail
    signer: LogSigner
    verify: Verify
    witnesses: Sequence[WitnessKey]

    async def __call__(self, *, tenant_id: TenantId, note: str) -> Sequence[Cosignature]:
        """Raises CosignatureNotAccepted, or CheckpointUnknown."""
        key = VerifierKey(name=log_name(tenant_id), public_key=await self.signer.public_key())
        try:
            checkpoint = open_checkpoint(note, key, self.verify)
            found = cosignatures_of(note, checkpoint, self.witnesses, self.verify)
        except NoteNotValid as invalid:
            raise CosignatureNotAccepted(f"{invalid}", field="/checkpoint") from None
        if not found:
            raise CosignatureNotAccepted(field="/checkpoint")
        if not await self.trail.keep_cosignatures(tenant_id, checkpoint, found):
            raise CheckpointUnknown
        return found
