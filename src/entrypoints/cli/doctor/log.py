"""Does every access get into the log, with a proof that holds, and is the signature ours?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from adapters.encryption.signatures import ed25519_verify
from application.audit.prove_entry import EntryNotIntegrated, EntryProof
from domain.audit.checkpoint import log_name, open_checkpoint
from domain.audit.note import VerifierKey
from domain.audit.proof import is_included
from domain.audit.tree import leaf_hash
from domain.identity import Action, Caller, ReleaseId
from entrypoints.cli.doctor.findings import Finding, held_if
from entrypoints.cli.doctor.patient import PURPOSE, Patient

RELEASES = 20
WAIT_SECONDS = 0.05


async def examine(patient: Patient) -> Sequence[Finding]:
    container = patient.container
    owner = await patient.person()
    document = await patient.document(owner)
    releases = [
        await container.gate()(
            caller=owner, action=Action.READ, purpose=PURPOSE, versions=[document.current.ref]
        )
        for _ in range(RELEASES)
    ]
    began = time.monotonic()
    proofs = [await _proof(patient, owner, release.id) for release in releases]
    seconds = time.monotonic() - began
    key = VerifierKey(
        name=log_name(owner.tenant_id), public_key=await container.log_signer().public_key()
    )
    holding = 0
    for each in proofs:
        head = open_checkpoint(each.proof.checkpoint, key, ed25519_verify)
        holding += is_included(
            leaf_hash=leaf_hash(each.leaf),
            index=each.proof.index,
            size=head.size,
            proof=each.proof.hashes,
            root=head.root,
        )
    accesses = await container.list_accesses()(
        caller=owner, document_id=document.id, after=0, limit=2 * RELEASES
    )
    # Beside these, the server's worker may have read it, to index it.
    numbers = [access.number for access in accesses if access.number is not None]
    return [
        held_if(
            holding == RELEASES,
            f"{RELEASES} releases, proven to be in the log: {holding}, {seconds:.1f} s later",
        ),
        held_if(
            len(numbers) >= RELEASES and numbers == list(range(1, len(numbers) + 1)),
            f"their numbers leave no gap: 1 to {len(numbers)}",
        ),
    ]


async def _proof(patient: Patient, caller: Caller, release_id: ReleaseId) -> EntryProof:
    """A server that runs integrates them; where none does, this command is the sequencer."""
    prove, integrate = patient.container.prove_entry(), patient.container.integrate_entries()
    async with asyncio.timeout(patient.container.settings().max_merge_delay_seconds):
        while True:
            try:
                return await prove(caller=caller, event_id=release_id)
            except EntryNotIntegrated:
                await integrate(tenant_id=caller.tenant_id)
                await asyncio.sleep(WAIT_SECONDS)
