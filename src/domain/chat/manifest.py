"""Manifests: what an answer was made from, as plain JSON that can be signed and checked.

    v, run_id, conversation_id, message_id, person_id, asked_at, state, purpose, policy_version
    question         {message_id, sha256}
    prompt           {version, sha256}: of its instructions, in order
    model            {name, passed_over, parameters, usage}: who wrote, who could not; and
                     calls [{model, outcome, asked}]: each that was made, as they ended
    guardrails       {in_force, decisions}
    retrieval        {mode, degraded}
    passages         [{id, document_id, version, text_commitment, start, end, field, sha256,
                       release_id, grant_id}]
    earlier_answers  the messages that were in the prompt; what they rest on, this rests on
    answer           {sha256, bytes}
    citations        [{excerpt_id, start, end, answer_start, answer_end, verified}]
    sentences        [{start, end, citations, support}]

Offsets are bytes of UTF-8, half-open: of the answer in `sentences` and `answer_...`, else of the
text of the version. Of a verified citation both spans hold the same bytes. A release is the event
of that id in the log. There are no fractions, so that RFC 8785 gives the same bytes everywhere.

Of a passage, whose text the asker has, there is the hash; of the whole text of its version a
commitment alone, which tells those nothing who may not see the rest (see domain/vault/
text_commitment.py). The same one is in the evidence of the release, to which the log commits. It
is null where the version was indexed before there were commitments.

Whoever was `asked` was sent the prompt with all its passages, or may have been: also who failed,
and who was stopped because one beside it spoke first. Manifests of answers from before this was
kept have no `calls`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeAlias

from domain.chat.answer import sentences_of
from domain.chat.citation import Citation
from domain.chat.event import Cited, Fact, Fallback, Guardrail, Retrieval, Usage
from domain.chat.excerpt import Excerpt
from domain.chat.model_call import ModelCall
from domain.chat.prompt import Prompt
from domain.chat.run import Run, RunState
from domain.identity import MessageId

MANIFEST_VERSION = 1

Json: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is known of an answer before its first word."""

    prompt: Prompt
    earlier_answers: Sequence[MessageId]
    policy_version: str
    guardrails: Sequence[str]
    parameters: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A manifest, and the text of the passages that are cited in it, by their ids."""

    manifest: Json
    passages: Mapping[str, str]


def explain(
    provenance: Provenance,
    *,
    run: Run,
    state: RunState,
    facts: Sequence[Fact],
    calls: Sequence[ModelCall],
    answer: str,
) -> Explained:
    """From the events of a run and the calls that were made for it, and the answer as it is kept:
    maybe a part of what was said."""
    length = len(answer.encode())
    cited = [each.citation for each in facts if isinstance(each, Cited)]
    citations = [each for each in cited if each.answer_end <= length]
    excerpts = provenance.prompt.excerpts
    named = {each.excerpt_id for each in citations}
    manifest: Json = {
        "v": MANIFEST_VERSION,
        "run_id": str(run.id),
        "conversation_id": str(run.conversation_id),
        "message_id": str(run.answer_id),
        "person_id": str(run.owner_id),
        "asked_at": _instant(run.created_at),
        "state": state.value,
        "purpose": run.purpose,
        "policy_version": provenance.policy_version,
        "question": {
            "message_id": str(run.question_id),
            "sha256": _digest(provenance.prompt.question),
        },
        "prompt": {
            "version": provenance.prompt.version,
            "sha256": _prompt_digest(provenance.prompt),
        },
        "model": _model(run, provenance, facts, calls),
        "guardrails": {
            "in_force": list(provenance.guardrails),
            "decisions": [
                {"kind": each.kind, "decision": each.decision}
                for each in facts
                if isinstance(each, Guardrail)
            ],
        },
        "retrieval": _retrieval(facts),
        "passages": [_passage(each) for each in excerpts],
        "earlier_answers": [str(each) for each in provenance.earlier_answers],
        "answer": {"sha256": _digest(answer), "bytes": length},
        "citations": [_citation(each) for each in citations],
        "sentences": [
            {
                "start": each.start,
                "end": each.end,
                "citations": list(each.citations),
                "support": each.support.value,
            }
            for each in sentences_of(answer, citations)
        ],
    }
    return Explained(
        manifest=manifest,
        passages={each.id: each.text for each in excerpts if each.id in named},
    )


def _model(
    run: Run, provenance: Provenance, facts: Sequence[Fact], calls: Sequence[ModelCall]
) -> Json:
    passed_over = [each.from_model for each in facts if isinstance(each, Fallback)]
    took_over = [each.to_model for each in facts if isinstance(each, Fallback)]
    spent = [each for each in facts if isinstance(each, Usage)]
    return {
        "name": [run.model, *took_over][-1],
        "passed_over": passed_over,
        "parameters": dict(provenance.parameters),
        "usage": [
            {
                "model": each.model,
                "input_tokens": each.input_tokens,
                "output_tokens": each.output_tokens,
            }
            for each in spent
        ],
        "calls": [
            {"model": each.model, "outcome": each.outcome, "asked": each.was_asked}
            for each in calls
        ],
    }


def _retrieval(facts: Sequence[Fact]) -> Json:
    found = [each for each in facts if isinstance(each, Retrieval)]
    return {
        "mode": found[-1].mode if found else None,
        "degraded": [
            {"step": each.step, "reason": each.reason}
            for each in (found[-1].degraded if found else ())
        ],
    }


def _passage(excerpt: Excerpt) -> Json:
    return {
        "id": excerpt.id,
        "document_id": str(excerpt.version.document_id),
        "version": excerpt.version.version,
        "text_commitment": excerpt.text_commitment and excerpt.text_commitment.hex(),
        "start": excerpt.start,
        "end": excerpt.end,
        "field": excerpt.field,
        "sha256": _digest(excerpt.text),
        "release_id": str(excerpt.release_id),
        "grant_id": excerpt.grant_id and str(excerpt.grant_id),
    }


def _citation(citation: Citation) -> Json:
    return {
        "excerpt_id": citation.excerpt_id,
        "start": citation.start,
        "end": citation.end,
        "answer_start": citation.answer_start,
        "answer_end": citation.answer_end,
        "verified": citation.verified,
    }


def _prompt_digest(prompt: Prompt) -> str:
    """Over the length and the bytes of each role and text in turn, so that no two prompts share."""
    everything = sha256()
    for instruction in prompt.instructions:
        for part in (instruction.role.encode(), instruction.text.encode()):
            everything.update(len(part).to_bytes(8) + part)
    return everything.hexdigest()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
