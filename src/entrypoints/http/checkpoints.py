"""The log of checkpoints over HTTP. It tells nothing about tenants, and so needs no account."""

from __future__ import annotations

from litestar import Controller, Response, get, post
from litestar.params import FromPath, JSONBody

from application.audit.accept_cosignatures import AcceptCosignatures
from application.audit.ports import AuditTrail, LogSigner
from application.audit.prove_checkpoint import ProveCheckpoint
from application.audit.prove_consistency import ProveConsistency
from domain.audit.checkpoint import LOG_OF_CHECKPOINTS, log_name
from domain.audit.note import VerifierKey
from domain.errors import NotFound
from domain.identity import Caller
from entrypoints.http.access import PUBLIC
from entrypoints.http.audit import NewSize, OldSize
from entrypoints.http.audit_shapes import (
    COSIGNED_EXAMPLE,
    ConsistencyShown,
    CosignaturesShown,
    CosignedCheckpoint,
    ProofShown,
    consistency_shown,
    cosignatures_shown,
    proof_shown,
)
from entrypoints.http.audit_tiles import hash_tile
from entrypoints.http.injected import Injected


class LogOfCheckpointsController(Controller):
    """/v1/checkpoints"""

    path = "/v1/checkpoints"
    tags = ("Audit",)
    opt = PUBLIC

    @get("/checkpoint", media_type="text/plain")
    async def get_newest(self, audit_trail: Injected[AuditTrail]) -> str:
        """The newest checkpoint of the log of checkpoints: what witnesses watch and sign."""
        latest = await audit_trail.checkpoint(LOG_OF_CHECKPOINTS)
        if latest is None:
            raise NotFound
        return latest.note

    @get("/cosigned", media_type="text/plain")
    async def get_cosigned_checkpoint(self, audit_trail: Injected[AuditTrail]) -> str:
        """The newest one that a witness cosigned, with all cosignatures that it has."""
        latest = await audit_trail.cosigned(LOG_OF_CHECKPOINTS)
        if latest is None:
            raise NotFound
        return latest.note

    @post("/cosignatures", status_code=200, opt={"example": COSIGNED_EXAMPLE})
    async def accept_cosignatures_of_checkpoints(
        self,
        accept_cosignatures: Injected[AcceptCosignatures],
        data: JSONBody[CosignedCheckpoint],
    ) -> CosignaturesShown:
        """Hand in what a witness signed. It needs no account: its signature says who it is."""
        return cosignatures_shown(
            await accept_cosignatures(tenant_id=LOG_OF_CHECKPOINTS, note=data.checkpoint)
        )

    @get("/key", media_type="text/plain")
    async def get_key_of_checkpoints(self, log_signer: Injected[LogSigner]) -> str:
        """The key that the log of checkpoints is signed with: name, id and Ed25519 key."""
        key = VerifierKey(
            name=log_name(LOG_OF_CHECKPOINTS), public_key=await log_signer.public_key()
        )
        return f"{key.printed}\n"

    @get("/consistency")
    async def prove_growth(
        self,
        prove_consistency: Injected[ProveConsistency],
        old: OldSize,
        new: NewSize = None,
    ) -> ConsistencyShown:
        """That the later log of checkpoints begins with exactly the earlier one."""
        proven = await prove_consistency(tenant_id=LOG_OF_CHECKPOINTS, old=old, new=new)
        return consistency_shown(proven)

    @get("/tile/{level:int}/{index:path}", media_type="application/octet-stream")
    async def get_tile_of_checkpoints(
        self, audit_trail: Injected[AuditTrail], level: FromPath[int], index: FromPath[str]
    ) -> Response[bytes]:
        """A hash tile of the log of checkpoints."""
        return await hash_tile(audit_trail, LOG_OF_CHECKPOINTS, level, index)


@get("/v1/audit/checkpoint/proof", tags=["Audit"])
async def prove_checkpoint(
    caller: Injected[Caller], prove_checkpoint: Injected[ProveCheckpoint]
) -> ProofShown:
    """That a checkpoint of the tenant's log is in the log of checkpoints, which witnesses sign."""
    return proof_shown(await prove_checkpoint(tenant_id=caller.tenant_id))
