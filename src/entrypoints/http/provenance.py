"""What an answer was made from, over HTTP: its manifest, and a bundle to check it with offline."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, get
from litestar.params import FromPath

from application.audit.attest_answer import AttestAnswer
from application.audit.prove_releases import ProveReleases
from application.chat.explain_answer import ExplainAnswer
from domain.identity import Caller, DocumentId, RunId
from entrypoints.http.audit_shapes import BundledEntryShown, bundled_entry_shown
from entrypoints.http.injected import Injected

ANSWER_FORMAT = "strongroom-answer@v1"


class ManifestShown(msgspec.Struct, kw_only=True):
    """What an answer was made from: versions, passages, releases, grants, purpose, prompt, model.

    `note` is signed by the log's key (c2sp.org/signed-note) over the SHA-256 of `manifest` as
    canonical JSON (RFC 8785). A release is the event of its id in the log.
    """

    manifest: dict[str, Any]
    note: str


class PassageShown(msgspec.Struct, kw_only=True):
    """The text of a passage that the answer cites."""

    id: str
    text: str


class AnswerBundleShown(msgspec.Struct, kw_only=True):
    """An answer with all that is needed, beside the log's key, to verify it without asking us.

    `entries` are the releases that it rests on, in the log of the signed `checkpoint`, which is
    null where there are none.
    """

    format: str
    manifest: dict[str, Any]
    note: str
    answer: str
    passages: list[PassageShown]
    checkpoint: str | None
    entries: list[BundledEntryShown]


class ProvenanceController(Controller):
    """/v1/runs/{run_id}/manifest, and /bundle"""

    path = "/v1/runs/{run_id:uuid}"
    tags = ("Chat",)

    @get("/manifest")
    async def explain_answer(
        self,
        caller: Injected[Caller],
        explain_answer: Injected[ExplainAnswer],
        attest_answer: Injected[AttestAnswer],
        run_id: FromPath[UUID],
    ) -> ManifestShown:
        """What an answer of one's own was made from, signed.

        409 while it is being written, 403 once it was taken back, and
        `insufficient_user_authentication` to a session without the second factor that a grant
        demands which it rests on.
        """
        explained = await explain_answer(caller=caller, run_id=RunId(run_id), with_passages=False)
        note = await attest_answer(caller=caller, run_id=run_id, manifest=explained.manifest)
        return ManifestShown(manifest=explained.manifest, note=note)

    @get("/bundle")
    async def bundle_answer(
        self,
        caller: Injected[Caller],
        explain_answer: Injected[ExplainAnswer],
        attest_answer: Injected[AttestAnswer],
        prove_releases: Injected[ProveReleases],
        run_id: FromPath[UUID],
    ) -> Response[AnswerBundleShown]:
        """An answer of one's own with all that `strongroom verify` needs to check it offline.

        That is its manifest, the passages that it cites, and the proofs of their releases. 409
        while it is being written, and until what it rests on is in the log; 403 once it was taken
        back, `passages_withdrawn` where it was kept when consent was withdrawn, and
        `insufficient_user_authentication` as for the manifest.
        """
        explained = await explain_answer(caller=caller, run_id=RunId(run_id), with_passages=True)
        proven = await prove_releases(caller=caller, documents=_released(explained.manifest))
        note = await attest_answer(caller=caller, run_id=run_id, manifest=explained.manifest)
        bundle = AnswerBundleShown(
            format=ANSWER_FORMAT,
            manifest=explained.manifest,
            note=note,
            answer=explained.answer,
            passages=[PassageShown(id=id_, text=text) for id_, text in explained.passages.items()],
            checkpoint=proven.checkpoint,
            entries=[bundled_entry_shown(each) for each in proven.entries],
        )
        name = f'attachment; filename="answer-{run_id}.json"'
        return Response(bundle, headers={"Content-Disposition": name, "Cache-Control": "no-store"})


def _released(manifest: dict[str, Any]) -> dict[UUID, set[DocumentId]]:
    """The documents of each release, by its id."""
    released: dict[UUID, set[DocumentId]] = {}
    for each in manifest["passages"]:
        documents = released.setdefault(UUID(each["release_id"]), set())
        documents.add(DocumentId(UUID(each["document_id"])))
    return released
