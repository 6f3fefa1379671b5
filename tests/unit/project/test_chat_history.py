"""The checker of chat histories lets good ones pass, and names every kind of damage."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from tests.chat_history import (
    Acknowledged,
    Ask,
    Cancel,
    Event,
    Final,
    Follow,
    Message,
    Outcome,
    Read,
    Run,
    Step,
    findings,
)

SEEDS = range(3)
CONVERSATIONS = ("c0", "c1", "c2", "c3")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
DONE, REFUSED, UNKNOWN = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN
S = TypeVar("S", bound=Step)


@dataclass
class Story:
    """A history and its end, both of which may be damaged, and the chance that chooses where."""

    chance: random.Random
    history: list[Step]
    conversations: dict[str, list[Message]]
    runs: dict[str, Run]
    events: dict[str, list[Event]]

    @property
    def names(self) -> set[str]:
        final = Final(conversations=self.conversations, runs=self.runs, events=self.events)
        return {each.name for each in findings(self.history, final)}

    def one(self, kind: type[S], fits: Callable[[S], object] = lambda _: True) -> S:
        return self.chance.choice([e for e in self.history if isinstance(e, kind) and fits(e)])

    def change(self, step: Step, **changes: object) -> None:
        at = next(at for at, each in enumerate(self.history) if each is step)
        self.history[at] = replace(step, **changes)

    def message(self, role: str, *, last: bool = False) -> tuple[list[Message], int]:
        """Where such a message stands; `last` or not, as it matters for what follows it."""
        messages = self.chance.choice([m for m in self.conversations.values() if len(m) > 4])
        places = [at for at, each in enumerate(messages) if each.role == role]
        return messages, places[-1] if last else self.chance.choice(places[1:-1])

    def rewrite(self, messages: list[Message], at: int, **changes: object) -> None:
        messages[at] = replace(messages[at], **changes)

    def run(self, fits: Callable[[Run], object] = lambda _: True) -> Run:
        return self.chance.choice([each for each in self.runs.values() if fits(each)])


def good(seed: int) -> Story:
    """Clients whose steps overlap, each of which takes effect at one moment in its midst."""
    chance = random.Random(seed)
    story = Story(chance, [], {each: [] for each in CONVERSATIONS}, {}, {})
    planned: list[tuple[float, float, float]] = []
    for _ in range(600):
        began = chance.uniform(0, 100)
        effect = began + chance.uniform(0.01, 0.5)
        planned.append((effect, began, effect + chance.uniform(0.01, 0.5)))
    ends: dict[str, float] = {}
    for number, (now, began, ended) in enumerate(sorted(planned)):
        times = {"began_at": began, "ended_at": ended}
        conversation = chance.choice(CONVERSATIONS)
        _settle(story, ends, now)
        match chance.choice(["ask", "ask", "read", "read", "follow", "cancel"]):
            case "ask":
                story.history.append(_ask(story, ends, conversation, f"q{number}", now, times))
            case "read":
                messages = story.conversations[conversation]
                after = chance.choice([0, 0, max(0, len(messages) - 3)])
                shown = [_as_of(story, each, ends, now) for each in messages[after:]]
                read = Read(**times, conversation_id=conversation, after=after, messages=shown)
                story.history.append(read)
            case "follow" if story.runs:
                run = chance.choice(list(story.runs.values()))
                events = story.events[run.id]
                after = chance.randrange(len(events))
                told = events[after:] if run.ended_at else events[after : len(events) - 1]
                finished = run.ended_at is not None
                step = Follow(**times, run_id=run.id, after=after, events=told, finished=finished)
                story.history.append(step)
            case "cancel" if story.runs:
                run = chance.choice(list(story.runs.values()))
                outcome = chance.choice([DONE, DONE, UNKNOWN])
                story.history.append(Cancel(**times, run_id=run.id, outcome=outcome))
                if run.ended_at is None and outcome is DONE:
                    events = story.events[run.id]
                    last = Event(number=events[-1].number, type="cancelled", told='{"by":"owner"}')
                    events[-1] = last
    _settle(story, ends, 1_000.0)
    return story


def _ask(
    story: Story,
    ends: dict[str, float],
    conversation: str,
    text: str,
    now: float,
    times: dict[str, float],
) -> Ask:
    chance, messages = story.chance, story.conversations[conversation]
    outcome = chance.choice([DONE, DONE, DONE, UNKNOWN])
    if any(run.conversation_id == conversation and not run.ended_at for run in story.runs.values()):
        return Ask(**times, text=text, conversation_id=conversation, outcome=REFUSED)
    if outcome is UNKNOWN and chance.random() < 0.5:  # it never arrived
        return Ask(**times, text=text, conversation_id=conversation, outcome=UNKNOWN)
    run_id, sequence = f"r{text}", len(messages) + 1
    parent = messages[-1].id if messages else None
    question = Message(
        id=f"m{text}", sequence=sequence, parent_id=parent, role="user", content=text
    )
    words = [f"{text} says {n} " for n in range(chance.randrange(1, 5))]
    told = [("run_started", {}), *(("text_delta", {"text": each}) for each in words)]
    told.append(("completed", {}))
    story.events[run_id] = [
        Event(number=at + 1, type=kind, told=json.dumps(each))
        for at, (kind, each) in enumerate(told)
    ]
    answer = Message(
        id=f"a{text}",
        sequence=sequence + 1,
        parent_id=question.id,
        role="assistant",
        content="".join(words),
        run_id=run_id,
    )
    messages += [question, answer]
    story.runs[run_id] = Run(
        id=run_id,
        conversation_id=conversation,
        question_id=question.id,
        answer_id=answer.id,
        state="running",
        created_at=EPOCH + timedelta(seconds=now),
        ended_at=None,
    )
    ends[run_id] = now + chance.uniform(0.1, 1.5)
    said = Acknowledged(
        run_id=run_id, conversation_id=conversation, message_id=question.id, sequence=sequence
    )
    answers = [said] * chance.choice([1, 1, 2]) if outcome is DONE else []
    return Ask(**times, text=text, conversation_id=conversation, outcome=outcome, answers=answers)


def _settle(story: Story, ends: dict[str, float], now: float) -> None:
    for run_id, at in ends.items():
        run = story.runs[run_id]
        if at <= now and run.ended_at is None:
            state = story.events[run_id][-1].type
            ended_at = EPOCH + timedelta(seconds=at)
            story.runs[run_id] = replace(run, state=state, ended_at=ended_at)


def _as_of(story: Story, message: Message, ends: dict[str, float], now: float) -> Message:
    writing = message.run_id is not None and ends[message.run_id] > now
    return replace(message, content=None) if writing else message


Damage = Callable[[Story], None]
DAMAGES: dict[str, tuple[str, Damage]] = {}


def damage(name: str) -> Callable[[Damage], Damage]:
    """Of this kind; what it does is its own name."""

    def keep(function: Damage) -> Damage:
        DAMAGES[function.__name__] = (name, function)
        return function

    return keep


def _acknowledged(ask: Ask) -> bool:
    return ask.outcome is DONE


@damage("lost")
def an_acknowledged_question_is_not_there(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    assert ask.conversation_id is not None
    messages = story.conversations[ask.conversation_id]
    at = next(at for at, each in enumerate(messages) if each.content == ask.text)
    del messages[at : at + 2]


@damage("lost")
def an_acknowledged_question_has_other_words(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    for messages in story.conversations.values():
        for at, each in enumerate(messages):
            if each.content == ask.text:
                story.rewrite(messages, at, content=f"{ask.text}!")


@damage("lost")
def the_last_acknowledged_questions_are_rolled_back(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    messages = story.conversations[ask.conversation_id or ""]
    at = next(at for at, each in enumerate(messages) if each.content == ask.text)
    gone = {each.run_id for each in messages[at:]}
    del messages[at:]
    for run_id in gone & set(story.runs):
        del story.runs[run_id or ""]


@damage("done twice")
def a_repeat_is_asked_again(story: Story) -> None:
    messages, at = story.message("user", last=True)
    question, answer = messages[at], messages[at + 1]
    again = replace(question, id="again", sequence=len(messages) + 1, parent_id=answer.id)
    messages += [again, replace(answer, id="more", sequence=len(messages) + 2, parent_id="again")]


@damage("done though refused")
def a_refused_question_is_there(story: Story) -> None:
    messages, at = story.message("user")
    for each in story.history:
        if isinstance(each, Ask) and each.text == messages[at].content:
            story.change(each, outcome=REFUSED, answers=[])


@damage("from nowhere")
def a_question_is_there_that_nobody_asked(story: Story) -> None:
    messages, at = story.message("user")
    text = messages[at].content
    story.history = [e for e in story.history if not (isinstance(e, Ask) and e.text == text)]


@damage("in another conversation")
def a_question_is_in_another_conversation(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    story.change(ask, conversation_id=next(e for e in CONVERSATIONS if e != ask.conversation_id))


@damage("two runs under one key")
def a_repeat_begins_another_run(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    other = replace(ask.answers[0], run_id=story.run(lambda r: r.id != ask.answers[0].run_id).id)
    story.change(ask, answers=[*ask.answers, other])


@damage("run lost")
def an_acknowledged_run_is_not_there(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    del story.runs[ask.answers[0].run_id]


@damage("acknowledged another run")
def an_acknowledgement_names_the_run_of_another(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    other = story.run(lambda run: run.id != ask.answers[0].run_id).id
    story.change(ask, answers=[replace(ask.answers[0], run_id=other)])


@damage("acknowledged another message")
def an_acknowledgement_names_another_message(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    story.change(ask, answers=[replace(ask.answers[0], message_id="other")])


@damage("acknowledged another sequence")
def an_acknowledgement_names_another_place(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    story.change(ask, answers=[replace(ask.answers[0], sequence=ask.answers[0].sequence + 2)])


@damage("acknowledged another conversation")
def an_acknowledgement_names_another_conversation(story: Story) -> None:
    ask = story.one(Ask, _acknowledged)
    story.change(ask, answers=[replace(ask.answers[0], conversation_id="other")])


@damage("gap in a conversation")
def a_number_is_left_out(story: Story) -> None:
    messages, at = story.message("user")
    for later in range(at, len(messages)):
        story.rewrite(messages, later, sequence=messages[later].sequence + 1)


@damage("sequence twice")
def a_number_is_given_twice(story: Story) -> None:
    messages, at = story.message("assistant")
    story.rewrite(messages, at, sequence=messages[at].sequence - 1)


@damage("conversation out of order")
def two_turns_are_listed_the_other_way_round(story: Story) -> None:
    messages, at = story.message("user")
    messages[at : at + 2], messages[at + 2 : at + 4] = (
        messages[at + 2 : at + 4],
        messages[at : at + 2],
    )


@damage("message twice")
def a_message_is_in_two_places(story: Story) -> None:
    messages, at = story.message("assistant")
    story.rewrite(messages, at, id=messages[at - 2].id)


@damage("wrong parent")
def a_conversation_has_branched_unasked(story: Story) -> None:
    messages, at = story.message("user")
    story.rewrite(messages, at, parent_id=messages[at - 2].id)


@damage("question without a place for its answer")
def an_answer_is_missing(story: Story) -> None:
    messages, at = story.message("assistant", last=True)
    del messages[at]


@damage("answer without a run")
def an_answer_has_no_run(story: Story) -> None:
    messages, at = story.message("assistant")
    story.rewrite(messages, at, run_id=None)


@damage("run of another question")
def two_answers_have_changed_their_runs(story: Story) -> None:
    messages, at = story.message("assistant")
    one, other = messages[at].run_id, messages[at - 2].run_id
    story.rewrite(messages, at, run_id=other)
    story.rewrite(messages, at - 2, run_id=one)


@damage("answer unlike its events")
def an_answer_is_cut_short(story: Story) -> None:
    messages, at = story.message("assistant")
    story.rewrite(messages, at, content=(messages[at].content or "")[:-3])


@damage("two runs at once")
def a_run_begins_before_the_last_has_ended(story: Story) -> None:
    messages, at = story.message("assistant")
    before = story.runs[messages[at - 2].run_id or ""]
    assert before.ended_at is not None
    late = before.ended_at - timedelta(microseconds=1)
    run_id = messages[at].run_id or ""
    story.runs[run_id] = replace(story.runs[run_id], created_at=late)


@damage("never ended")
def a_run_hangs(story: Story) -> None:
    run = story.run()
    story.runs[run.id] = replace(run, state="running", ended_at=None)


@damage("never ended")
def a_run_lacks_its_last_event(story: Story) -> None:
    del story.events[story.run().id][-1]


@damage("ended twice")
def a_run_fails_after_it_was_completed(story: Story) -> None:
    events = story.events[story.run().id]
    events.append(Event(number=len(events) + 1, type="failed", told="{}"))


@damage("event after the end")
def a_run_goes_on_after_its_end(story: Story) -> None:
    events = story.events[story.run().id]
    events.append(Event(number=len(events) + 1, type="usage", told="{}"))


@damage("state unlike its end")
def a_run_is_called_failed_and_was_completed(story: Story) -> None:
    run = story.run(lambda each: each.state == "completed")
    story.runs[run.id] = replace(run, state="failed")


@damage("cancelled by nobody")
def a_run_is_cancelled_by_nobody(story: Story) -> None:
    run = story.run(lambda each: each.state == "cancelled")
    story.history = [e for e in story.history if not (isinstance(e, Cancel) and e.run_id == run.id)]


@damage("run without its messages")
def a_run_belongs_to_no_question(story: Story) -> None:
    run = story.run()
    story.runs[run.id] = replace(run, question_id="gone")


@damage("gap among events")
def an_event_is_missing(story: Story) -> None:
    run = story.run(lambda each: len(story.events[each.id]) > 2)
    del story.events[run.id][1]


@damage("event twice")
def an_event_is_stored_twice(story: Story) -> None:
    events = story.events[story.run().id]
    events.insert(1, events[0])


@damage("events out of order")
def events_are_replayed_in_another_order(story: Story) -> None:
    run = story.run(lambda each: len(story.events[each.id]) > 2)
    events = story.events[run.id]
    events[0], events[1] = events[1], events[0]


def _told(follow: Follow) -> bool:
    return len(follow.events) > 2


@damage("told with a gap")
def a_reader_misses_an_event(story: Story) -> None:
    follow = story.one(Follow, _told)
    story.change(follow, events=[follow.events[0], *follow.events[2:]])


@damage("told with a gap")
def a_reader_is_told_from_too_late_on(story: Story) -> None:
    follow = story.one(Follow, _told)
    story.change(follow, events=follow.events[1:])


@damage("told with a gap")
def a_reader_is_told_again_what_it_has(story: Story) -> None:
    follow = story.one(Follow, lambda each: _told(each) and each.after > 0)
    story.change(follow, events=[story.events[follow.run_id][follow.after - 1], *follow.events])


@damage("told twice")
def a_reader_is_told_an_event_twice(story: Story) -> None:
    follow = story.one(Follow, _told)
    story.change(follow, events=[follow.events[0], *follow.events])


@damage("told otherwise")
def two_readers_are_told_different_things(story: Story) -> None:
    follow = story.one(Follow, _told)
    other = replace(follow.events[1], told='{"text":"other"}')
    story.change(follow, events=[follow.events[0], other, *follow.events[2:]])


@damage("told and lost")
def a_reader_is_told_what_was_never_kept(story: Story) -> None:
    follow = story.one(Follow, lambda each: _told(each) and each.finished)
    more = Event(number=follow.events[-1].number + 1, type="text_delta", told='{"text":"x"}')
    story.change(follow, events=[*follow.events, more])


@damage("stream ended before its run")
def a_stream_ends_as_if_it_were_whole(story: Story) -> None:
    follow = story.one(Follow, lambda each: _told(each) and each.finished)
    story.change(follow, events=follow.events[:-1])


@damage("run lost")
def a_run_that_was_followed_is_not_there(story: Story) -> None:
    follow = story.one(Follow)
    story.history = [e for e in story.history if e is follow]
    del story.runs[follow.run_id]


def _long(read: Read) -> bool:
    return len(read.messages) > 4


@damage("read with a gap")
def a_read_leaves_a_message_out(story: Story) -> None:
    read = story.one(Read, _long)
    story.change(read, messages=[read.messages[0], *read.messages[2:]])


@damage("read in another order")
def a_read_is_in_another_order(story: Story) -> None:
    read = story.one(Read, _long)
    story.change(read, messages=[read.messages[1], read.messages[0], *read.messages[2:]])


@damage("read and lost")
def a_read_shows_what_is_gone(story: Story) -> None:
    read = story.one(Read, _long)
    ghost = replace(read.messages[-1], id="ghost")
    story.change(read, messages=[*read.messages[:-1], ghost])


@damage("read with other words")
def a_read_shows_other_words(story: Story) -> None:
    read = story.one(Read, _long)
    story.change(read, messages=[replace(read.messages[0], content="?"), *read.messages[1:]])


@damage("read with other words")
def a_read_shows_half_an_answer(story: Story) -> None:
    read = story.one(Read, lambda each: _long(each) and each.messages[1].role == "assistant")
    half = replace(read.messages[1], content=(read.messages[1].content or "")[:4])
    story.change(read, messages=[read.messages[0], half, *read.messages[2:]])


@damage("read in another place")
def a_read_gives_another_number(story: Story) -> None:
    read = story.one(Read, _long)
    story.change(read, messages=[replace(read.messages[0], sequence=99), *read.messages[1:]])


@damage("read as something else")
def a_read_takes_a_question_for_an_answer(story: Story) -> None:
    read = story.one(Read, lambda each: _long(each) and each.messages[0].role == "user")
    story.change(read, messages=[replace(read.messages[0], role="system"), *read.messages[1:]])


@damage("read less than before")
def a_later_read_shows_less(story: Story) -> None:
    read = story.one(Read, lambda each: _long(each) and each.after == 0)
    later = {"began_at": read.ended_at + 1, "ended_at": read.ended_at + 2}
    story.history.append(replace(read, **later, messages=read.messages[:-2]))


@damage("read before, and unwritten")
def a_later_read_shows_an_answer_as_unwritten(story: Story) -> None:
    read = story.one(Read, lambda each: _long(each) and each.messages[1].role == "assistant")
    later = {"began_at": read.ended_at + 1, "ended_at": read.ended_at + 2}
    blank = replace(read.messages[1], content=None)
    messages = [read.messages[0], blank, *read.messages[2:]]
    story.history.append(replace(read, **later, messages=messages))


@damage("acknowledged and not read")
def a_read_lacks_what_was_acknowledged(story: Story) -> None:
    ask = story.one(Ask, lambda each: _acknowledged(each) and each.answers[0].sequence > 2)
    times = {"began_at": ask.ended_at + 1, "ended_at": ask.ended_at + 2}
    stale = story.conversations[ask.conversation_id or ""][: ask.answers[0].sequence - 1]
    story.history.append(
        Read(**times, conversation_id=ask.conversation_id, after=0, messages=stale)
    )


@damage("read before it was asked")
def a_read_knows_the_future(story: Story) -> None:
    read = story.one(Read, _long)
    story.change(read, began_at=-2.0, ended_at=-1.0)


@damage("order against time")
def what_was_asked_first_stands_second(story: Story) -> None:
    messages, at = story.message("user")
    asks = {each.text: each for each in story.history if isinstance(each, Ask)}
    first, second = asks[messages[at - 2].content or ""], asks[messages[at].content or ""]
    story.change(first, began_at=second.ended_at + 5, ended_at=second.ended_at + 6)
    story.change(second, outcome=DONE)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_good_history_passes(seed: int) -> None:
    story = good(seed)
    assert story.names == set()
    assert len(story.runs) > 50
    kinds = {type(each) for each in story.history}
    assert kinds == {Ask, Read, Follow, Cancel}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("what", sorted(DAMAGES))
def test_damage_is_named(what: str, seed: int) -> None:
    name, do = DAMAGES[what]
    story = good(seed)
    do(story)
    assert name in story.names


def test_there_are_many_kinds_of_damage() -> None:
    assert len(DAMAGES) >= 30
    assert len({name for name, _ in DAMAGES.values()}) >= 30
