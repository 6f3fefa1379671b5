"""Chat Completions as OpenAI's clients write and read them.

What OpenAI has a name for is accepted, and what nobody has a name for is refused. Of the
parameters, those that could change only how an answer sounds have no effect, and the answer says
which; those without which the answer would be another thing than was asked for are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.chat.question import CHARACTERS_MAX, QUESTIONS_BEFORE_MAX, Question
from domain.errors import Invalid
from domain.identity import PERSONAL_USE, DocumentId, Purpose
from entrypoints.http.refusals import InvalidFields, WrongField

MESSAGES_MAX = 2_000

Name = Annotated[str, Meta(max_length=256)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
TokenCount = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class MessagePart(msgspec.Struct, kw_only=True):
    """A part of a message, of which only text is read."""

    type: str
    text: str | None = None


class PostedMessage(msgspec.Struct, kw_only=True):
    """One message of a chat; what else clients put into it is theirs."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[MessagePart] | None = None


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a stream tells beside the answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


class StrongroomTerms(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What OpenAI has no name for (`extra_body` of its clients).

    One's own documents are read for any purpose, those of others under grants for `purpose`; with
    `document_ids` nothing else is read. With `conversation_id` the question is asked in that
    conversation, and what was said there stands for the history; without, in a new one.
    """

    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PERSONAL_USE
    document_ids: Annotated[list[UUID], Meta(max_length=200)] | None = None
    conversation_id: UUID | None = None


class NewCompletion(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A question, as the last message of a user, and what OpenAI's clients send with it.

    The questions before it help to understand it. Answers that a client repeats do not go into
    the prompt, for what they rest on may have been withdrawn; nor do system messages.
    """

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[PostedMessage], Meta(min_length=1, max_length=MESSAGES_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    strongroom: StrongroomTerms | None = None

    # Without effect.
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, float] | None = None
    seed: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None
    max_tokens: TokenCount | None = None
    max_completion_tokens: TokenCount | None = None
    reasoning_effort: Name | None = None
    verbosity: Name | None = None
    service_tier: Name | None = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, str] | None = None
    user: Name | None = None
    safety_identifier: Name | None = None
    prompt_cache_key: Name | None = None
    prompt_cache_retention: Name | None = None

    # Refused, but for the value that asks for nothing.
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[dict[str, Any]] | None = None
    function_call: str | dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None


class CompletionUsage(msgspec.Struct, kw_only=True):
    """What the answer took, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(msgspec.Struct, kw_only=True):
    """The answer."""

    content: str
    role: str = "assistant"
    refusal: str | None = None


class CompletionChoice(msgspec.Struct, kw_only=True):
    """There is one answer. `finish_reason` is `length` where the model came to its limit first."""

    message: AnswerMessage
    index: int = 0
    finish_reason: str = "stop"
    logprobs: None = None


class StrongroomFound(msgspec.Struct, kw_only=True):
    """What OpenAI has no name for: where the answer is kept, and what it rests on.

    `history` is there where not all that was said before is in the prompt. `retrieval`, `citations`
    and `fallbacks` are what the events of the run say; `ignored` names
    what was sent without effect; `kept` is there where the answer outlived the withdrawal of a
    consent.
    """

    run_id: UUID
    conversation_id: UUID
    message_id: UUID
    prompt_version: str
    history: dict[str, Any] | None
    retrieval: dict[str, Any] | None
    citations: list[dict[str, Any]]
    fallbacks: list[dict[str, Any]]
    kept: dict[str, Any] | None
    ignored: list[str]


class Completion(msgspec.Struct, kw_only=True):
    """A whole answer."""

    id: str
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | None
    system_fingerprint: str
    strongroom: StrongroomFound
    object: str = "chat.completion"


def question_of(asked: NewCompletion) -> Question:
    """The question, with those before it. Raises Invalid, naming the field of this body."""
    _assert_possible(asked)
    terms = asked.strongroom or StrongroomTerms()
    place = _last_question(asked)
    earlier = () if terms.conversation_id is not None else _questions_before(asked, place)
    ids = terms.document_ids
    try:
        return Question(
            text=_text_of(asked.messages[place], f"/messages/{place}/content"),
            purpose=Purpose(terms.purpose),
            document_ids=None if ids is None else frozenset(map(DocumentId, ids)),
            before=tuple(earlier)[-QUESTIONS_BEFORE_MAX:],
        )
    except Invalid as refused:
        places = {
            "/content": f"/messages/{place}/content",
            "/document_ids": "/strongroom/document_ids",
        }
        refused.field = places.get(refused.field or "", refused.field)
        raise


def ignored_in(asked: NewCompletion) -> list[str]:
    """What was sent and has no effect, as OpenAI would name it."""
    sent = [name for name in _WITHOUT_EFFECT if getattr(asked, name) is not None]
    spoken = [
        f"messages[{place}]"
        for place, each in enumerate(asked.messages)
        if each.role in ("system", "developer")
    ]
    return spoken + sent


_WITHOUT_EFFECT = (
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias", "seed",
    "max_tokens", "max_completion_tokens", "reasoning_effort", "verbosity", "service_tier",
    "parallel_tool_calls", "metadata", "user", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention",
)  # fmt: skip
_NO_TOOLS = "The model has no tools: it reads what it is given, and writes."
_TEXT_ALONE = "Answers are text, without a form of their own."
_REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((1,), "There is one answer to a question."),
    "stop": (("", []), "Answers are not cut at given words."),
    "store": ((True,), "What is asked and answered is kept until its conversation is deleted."),
    "logprobs": ((False,), "Probabilities are not told."),
    "top_logprobs": ((0,), "Probabilities are not told."),
    "response_format": (({"type": "text"},), _TEXT_ALONE),
    "modalities": ((["text"],), _TEXT_ALONE),
    "audio": ((), _TEXT_ALONE),
    "prediction": ((), "Answers are not predicted."),
    "tools": (([],), _NO_TOOLS),
    "tool_choice": (("none", "auto"), _NO_TOOLS),
    "functions": (([],), _NO_TOOLS),
    "function_call": (("none", "auto"), _NO_TOOLS),
    "web_search_options": ((), "Nothing is looked up beyond what the asker may see."),
}


def _assert_possible(asked: NewCompletion) -> None:
    wrong = [
        WrongField(f"/{name}", reason)
        for name, (harmless, reason) in _REFUSED.items()
        if (value := getattr(asked, name)) is not None and value not in harmless
    ]
    if wrong:
        raise InvalidFields(wrong)


def _last_question(asked: NewCompletion) -> int:
    for place in reversed(range(len(asked.messages))):
        if asked.messages[place].role == "user":
            return place
    raise InvalidFields([WrongField("/messages", "There is no message of a user to answer.")])


def _questions_before(asked: NewCompletion, place: int) -> Iterator[str]:
    for message in asked.messages[:place]:
        if message.role == "user":
            texts = message.content
            if isinstance(texts, list):
                texts = "\n".join(each.text for each in texts if each.text)
            if texts and texts.strip():
                yield texts.strip()[-CHARACTERS_MAX:]


def _text_of(message: PostedMessage, pointer: str) -> str:
    if not isinstance(message.content, list):
        return message.content or ""
    for place, part in enumerate(message.content):
        if part.type != "text" or part.text is None:
            raise InvalidFields([WrongField(f"{pointer}/{place}", "Only text is read.")])
    return "\n".join(part.text or "" for part in message.content)
