"""Runs: one generation of an answer, detached from the request that asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.chat.message import Kept
from domain.errors import Conflict, NotAllowed, NotFound, StepUpRequired, TooMany
from domain.identity import Acr, ConversationId, GrantId, MessageId, PersonId, Purpose, RunId


class RunState(StrEnum):
    """A run may have to wait, then it is running, and then it has ended, in one of four ways."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    ACCESS_REVOKED = "access_revoked"

    @property
    def is_over(self) -> bool:
        return self not in (RunState.QUEUED, RunState.RUNNING)


class WhenBusy(StrEnum):
    """What becomes of a question while another one of its conversation is being answered."""

    REFUSE = "refuse"
    QUEUE = "queue"


class RunNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class RunAlreadyActive(Conflict):
    """An answer is being written in this conversation; wait, cancel it, or queue yours."""

    code = "run_already_active"


class QueueFull(TooMany):
    """As many questions wait in this conversation as may."""

    code = "queue_full"


class AnswerWithdrawn(NotAllowed):
    """This answer rested on content that you may not see any more, so it is gone."""

    code = "access_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Why an answer was taken back: `access_revoked` or `document_erased`, and by which grants."""

    reason: str
    grants: Sequence[GrantId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One generation: the question, the answer it fills, and how it stands.

    `withdrawal` is there where the answer was taken back; its events are gone, too. `kept` is there
    where it could have been, and stayed. `required_acr` is what the grants that the answer rests on
    demand of its reader, as of when this was read: the answer may come to rest on more.
    """

    id: RunId
    conversation_id: ConversationId
    owner_id: PersonId
    question_id: MessageId
    answer_id: MessageId
    purpose: Purpose
    model: str
    prompt_version: str
    state: RunState
    cancel_requested: bool
    created_at: datetime
    ended_at: datetime | None = None
    withdrawal: Withdrawal | None = None
    kept: Kept | None = None
    required_acr: Acr | None = None

    def assert_replayable(self, acr: Acr) -> None:
        """To a session of this level. Raises AnswerWithdrawn where there is nothing left to replay.

        Raises StepUpRequired where a grant that the answer rests on demands more.
        """
        if self.state is RunState.ACCESS_REVOKED:
            raise AnswerWithdrawn
        if self.required_acr is Acr.MFA and acr is not Acr.MFA:
            raise StepUpRequired
