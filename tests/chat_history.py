"""Decides from what clients noted, and from what is there in the end, whether a chat kept its word.

In the manner of Elle (Kingsbury and Alvaro, VLDB 2020): a conversation is a list to which
questions are appended, each with words of its own, so that every read says in which order they
were. Nothing is known of the servers. A step whose answer never came may have been done or not;
one that was answered was done, between its beginning and its end, once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import pairwise

ENDS = {"completed", "cancelled", "failed", "access_revoked"}


class Outcome(Enum):
    """Whether a client knows that something was done, that it was not, or neither."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`content` is None while an answer is being written."""

    id: str
    sequence: int
    parent_id: str | None
    role: str
    content: str | None
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`told` is the JSON of the event, as it came."""

    number: int
    type: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Its times are those of the database's clock."""

    id: str
    conversation_id: str
    question_id: str
    answer_id: str
    state: str
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What the answer to a question said; None where its format does not say it."""

    run_id: str
    conversation_id: str
    message_id: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one client did. Seconds on one clock."""

    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Step):
    """One question under one key, however often it was sent. No conversation: one of its own."""

    text: str
    conversation_id: str | None
    outcome: Outcome
    answers: Sequence[Acknowledged] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Step):
    """The messages after a sequence number."""

    conversation_id: str
    after: int
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow(Step):
    """The whole events that came of a run; `finished`: the stream ended, and was not cut."""

    run_id: str
    after: int
    events: Sequence[Event]
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Step):
    """A run that was asked to stop."""

    run_id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """What one process shows once everything has come to rest; the keys are ids."""

    conversations: Mapping[str, Sequence[Message]]
    runs: Mapping[str, Run]
    events: Mapping[str, Sequence[Event]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that may not be. The name is that of a kind of damage."""

    name: str
    about: str = field(compare=False)


def findings(history: Sequence[Step], final: Final) -> list[Finding]:
    """All that is wrong; nothing, where the chat kept its word."""
    asks = [each for each in history if isinstance(each, Ask)]
    reads = [each for each in history if isinstance(each, Read)]
    return [
        *_conversations(final),
        *_runs(final, {each.run_id for each in history if isinstance(each, Cancel)}),
        *_turns(final),
        *_asks(asks, final),
        *_order(asks, final),
        *_reads(reads, final),
        *_recency(asks, reads),
        *_follows([each for each in history if isinstance(each, Follow)], final),
        *_cancels([each for each in history if isinstance(each, Cancel)], final),
    ]


def _conversations(final: Final) -> Iterator[Finding]:
    """Each is one line of questions and answers, numbered from 1."""
    ids = Counter(each.id for messages in final.conversations.values() for each in messages)
    yield from (Finding("message twice", each) for each, count in ids.items() if count > 1)
    for conversation_id, messages in final.conversations.items():
        sequences = [each.sequence for each in messages]
        if len(set(sequences)) < len(sequences):
            yield Finding("sequence twice", conversation_id)
        if set(sequences) != set(range(1, len(messages) + 1)):
            yield Finding("gap in a conversation", f"{conversation_id}: {sequences}")
        if sequences != sorted(sequences):
            yield Finding("conversation out of order", conversation_id)
        if any(after.parent_id != before.id for before, after in pairwise(messages)):
            yield Finding("wrong parent", conversation_id)
        if [each.role for each in messages] != ["user", "assistant"] * (len(messages) // 2):
            yield Finding("question without a place for its answer", conversation_id)
        for each in messages:
            if each.role == "assistant" and each.run_id not in final.runs:
                yield Finding("answer without a run", each.id)


def _runs(final: Final, cancelled: set[str]) -> Iterator[Finding]:
    """Each has events from 1 on, of which the last alone is its end, and is what that says."""
    for run in final.runs.values():
        events = final.events.get(run.id, ())
        numbers = [each.number for each in events]
        if len(set(numbers)) < len(numbers):
            yield Finding("event twice", run.id)
        if set(numbers) != set(range(1, len(numbers) + 1)):
            yield Finding("gap among events", f"{run.id}: {numbers}")
        if numbers != sorted(numbers):
            yield Finding("events out of order", run.id)
        ends = [each.type for each in events if each.type in ENDS]
        if len(ends) > 1:
            yield Finding("ended twice", run.id)
        if ends and events[-1].type not in ENDS:
            yield Finding("event after the end", run.id)
        if run.state == "running" or run.ended_at is None or not ends:
            yield Finding("never ended", run.id)
        elif run.state != ends[-1]:
            yield Finding("state unlike its end", f"{run.id}: {run.state}, {ends[-1]}")
        if run.state == "cancelled" and run.id not in cancelled:
            yield Finding("cancelled by nobody", run.id)


def _turns(final: Final) -> Iterator[Finding]:
    """A run answers the question before its answer, with what its events say, and alone."""
    turns: dict[str, list[tuple[int, Run]]] = defaultdict(list)
    messages = {each.id: each for some in final.conversations.values() for each in some}
    for run in final.runs.values():
        question, answer = messages.get(run.question_id), messages.get(run.answer_id)
        if question is None or answer is None:
            yield Finding("run without its messages", run.id)
            continue
        turns[run.conversation_id].append((question.sequence, run))
        if answer.run_id != run.id or answer.parent_id != question.id:
            yield Finding("run of another question", run.id)
        deltas = [each for each in final.events.get(run.id, ()) if each.type == "text_delta"]
        if answer.content != "".join(json.loads(each.told)["text"] for each in deltas):
            yield Finding("answer unlike its events", run.id)
    for conversation_id, some in turns.items():
        ordered = [run for _, run in sorted(some, key=lambda turn: turn[0])]
        for before, after in pairwise(ordered):
            if before.ended_at is None or after.created_at < before.ended_at:
                yield Finding("two runs at once", f"{conversation_id}: {before.id}, {after.id}")


def _asks(asks: Sequence[Ask], final: Final) -> Iterator[Finding]:
    """What was acknowledged is there, once and as it was said; what was refused is not."""
    there: dict[str, list[tuple[str, Message]]] = defaultdict(list)
    for conversation_id, messages in final.conversations.items():
        for each in messages:
            if each.role == "user":
                there[each.content or ""].append((conversation_id, each))
    asked = {each.text for each in asks}
    yield from (Finding("from nowhere", text) for text in there if text not in asked)
    for ask in asks:
        found = there.get(ask.text, [])
        if len(found) > 1:
            yield Finding("done twice", ask.text)
        if found and ask.outcome is Outcome.REFUSED:
            yield Finding("done though refused", ask.text)
        if not found and ask.outcome is Outcome.DONE:
            yield Finding("lost", ask.text)
        if len({each.run_id for each in ask.answers}) > 1:
            yield Finding("two runs under one key", ask.text)
        for conversation_id, message in found:
            if conversation_id != (ask.conversation_id or conversation_id):
                yield Finding("in another conversation", ask.text)
            for answer in ask.answers:
                yield from _answered(ask, answer, conversation_id, message, final)


def _answered(
    ask: Ask, answer: Acknowledged, conversation_id: str, message: Message, final: Final
) -> Iterator[Finding]:
    run = final.runs.get(answer.run_id)
    if run is None:
        yield Finding("run lost", answer.run_id)
    elif run.question_id != message.id:
        yield Finding("acknowledged another run", ask.text)
    if answer.message_id not in (None, message.id):
        yield Finding("acknowledged another message", ask.text)
    if answer.sequence not in (None, message.sequence):
        yield Finding("acknowledged another sequence", ask.text)
    if answer.conversation_id != conversation_id:
        yield Finding("acknowledged another conversation", ask.text)


def _order(asks: Sequence[Ask], final: Final) -> Iterator[Finding]:
    """What was acknowledged before another began stands before it."""
    by_text = {each.text: each for each in asks}
    for messages in final.conversations.values():
        began_at = 0.0
        for message in messages:
            ask = by_text.get(message.content or "")
            if message.role != "user" or ask is None:
                continue
            if ask.outcome is Outcome.DONE and ask.ended_at < began_at:
                yield Finding("order against time", ask.text)
            began_at = max(began_at, ask.began_at)


def _reads(reads: Sequence[Read], final: Final) -> Iterator[Finding]:
    """Everybody reads the beginning of one and the same list."""
    for read in reads:
        whole = final.conversations.get(read.conversation_id, ())
        known = {each.id: each for each in whole}
        lost = [each.id for each in read.messages if each.id not in known]
        yield from (Finding("read and lost", each) for each in lost)
        ids = [each.id for each in read.messages if each.id in known]
        end = read.after + len(read.messages)
        if not lost and ids != [each.id for each in whole[read.after : end]]:
            kept = sorted(ids, key=lambda each: known[each].sequence)
            name = "read with a gap" if ids == kept else "read in another order"
            yield Finding(name, read.conversation_id)
        for each in read.messages:
            last = known.get(each.id, each)
            writing = each.content is None and each.role == "assistant"
            if each.content != last.content and not writing:
                yield Finding("read with other words", each.id)
            if (each.sequence, each.parent_id) != (last.sequence, last.parent_id):
                yield Finding("read in another place", each.id)
            if (each.run_id, each.role) != (last.run_id, last.role):
                yield Finding("read as something else", each.id)


def _recency(asks: Sequence[Ask], reads: Sequence[Read]) -> Iterator[Finding]:
    """Nobody reads less than was read or acknowledged before, nor what was not asked yet."""
    moments: dict[str, list[tuple[float, int, Step]]] = defaultdict(list)
    asked = {each.text: each for each in asks}
    for ask in asks:
        for answer in ask.answers:
            moments[answer.conversation_id].append((ask.ended_at, 0, ask))
    for read in reads:
        moments[read.conversation_id] += [(read.began_at, 1, read), (read.ended_at, 0, read)]
        for message in read.messages:
            ask_of = asked.get(message.content or "")
            if message.role == "user" and ask_of and read.ended_at < ask_of.began_at:
                yield Finding("read before it was asked", message.id)
    for conversation_id, some in moments.items():
        yield from _sweep(conversation_id, sorted(some, key=lambda moment: moment[:2]))


def _sweep(conversation_id: str, moments: Iterable[tuple[float, int, Step]]) -> Iterator[Finding]:
    acknowledged, seen, written = 0, 0, set[str]()
    for _, begins, step in moments:
        if isinstance(step, Ask):
            sequences = [each.sequence or 0 for each in step.answers]
            acknowledged = max([acknowledged, *sequences])
        elif isinstance(step, Read):
            length = step.after + len(step.messages)
            if not begins:
                seen = max(seen, length if step.messages else 0)
                written |= {each.id for each in step.messages if each.content is not None}
                continue
            if length < seen:
                yield Finding("read less than before", f"{conversation_id}: {length} of {seen}")
            if length < acknowledged:
                yield Finding("acknowledged and not read", f"{conversation_id}: {acknowledged}")
            if any(each.content is None and each.id in written for each in step.messages):
                yield Finding("read before, and unwritten", conversation_id)


def _follows(follows: Sequence[Follow], final: Final) -> Iterator[Finding]:
    """Every reader gets the same events under the same numbers, each once, up to the end."""
    for follow in follows:
        if follow.run_id not in final.runs:
            yield Finding("run lost", follow.run_id)
            continue
        numbers = [each.number for each in follow.events]
        if len(set(numbers)) < len(numbers):
            yield Finding("told twice", follow.run_id)
        elif numbers != list(range(follow.after + 1, follow.after + 1 + len(numbers))):
            yield Finding("told with a gap", f"{follow.run_id}: {follow.after}, {numbers}")
        kept = {each.number: each for each in final.events.get(follow.run_id, ())}
        for event in follow.events:
            if event.number not in kept:
                yield Finding("told and lost", f"{follow.run_id}: {event.number}")
            elif event != kept[event.number]:
                yield Finding("told otherwise", f"{follow.run_id}: {event.number}")
        last = max([follow.after, *numbers])
        if follow.finished and kept and last < max(kept):
            yield Finding("stream ended before its run", follow.run_id)


def _cancels(cancels: Sequence[Cancel], final: Final) -> Iterator[Finding]:
    for cancel in cancels:
        if cancel.outcome is Outcome.DONE and cancel.run_id not in final.runs:
            yield Finding("run lost", cancel.run_id)
