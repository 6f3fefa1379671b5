"""Explain an answer: what it was made from, to its owner, as long as it may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from application.chat.ports import KeptAnswers
from application.chat.sealed_chat import sealed_chat
from application.ports import Cipher, OwnKeys
from domain.chat.manifest import Json
from domain.chat.run import AnswerWithdrawn, Run, RunNotFound
from domain.errors import Conflict, NotAllowed, NotFound
from domain.identity import Caller, RunId


class AnswerNotFinished(Conflict):
    """This answer is still being written: its manifest is written with its end."""

    code = "answer_not_finished"


class PassagesWithdrawn(NotAllowed):
    """This answer was kept when consent was withdrawn. The passages that it cites are not shown."""

    code = "passages_withdrawn"


class ManifestNotFound(NotFound):
    """This answer has no manifest: it broke off before there was anything to tell of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAnswer:
    """An answer, its manifest, and, where asked for, the text of the passages that are cited."""

    run: Run
    answer: str = field(repr=False)
    manifest: Json = field(repr=False)
    passages: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainAnswer:
    """Opened with the conversation's own key, so it needs no release; what it rests on had one."""

    kept: KeptAnswers
    own_keys: OwnKeys
    cipher: Cipher

    async def __call__(
        self, *, caller: Caller, run_id: RunId, with_passages: bool
    ) -> ExplainedAnswer:
        """Raises RunNotFound, AnswerNotFinished, ManifestNotFound, AnswerWithdrawn, or
        StepUpRequired where a grant that the answer rests on demands more of its reader.

        `with_passages` also PassagesWithdrawn, for one that was kept: they say more than it does,
        and to show them would be to use the document once more.
        """
        kept = await self.kept.find(caller, run_id)
        if kept is None:
            raise RunNotFound
        run = kept.run
        run.assert_replayable(caller.acr)
        if not run.state.is_over:
            raise AnswerNotFinished
        if kept.sealed_content is None:
            raise AnswerWithdrawn
        if kept.sealed_manifest is None:
            raise ManifestNotFound
        if with_passages and run.kept is not None:
            raise PassagesWithdrawn
        chat = await sealed_chat(self.own_keys, self.cipher, caller, run.conversation_id)
        if chat is None:
            raise RunNotFound
        explained = chat.open_manifest(run.id, kept.sealed_manifest)
        return ExplainedAnswer(
            run=run,
            answer=chat.open_message(run.answer_id, kept.sealed_content),
            manifest=explained.manifest,
            passages=explained.passages if with_passages else {},
        )
