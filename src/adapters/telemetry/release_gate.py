"""The release gate, seen from outside: how long it took, how much it opened, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opentelemetry import trace

from application.ports import Release, ReleaseGate
from domain.errors import NotFound
from domain.identity import Action, Caller, Purpose, VersionRef
from domain.json_pointer import Pointers

_tracer = trace.get_tracer("strongroom")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedReleaseGate:
    """`ReleaseGate` around another. Its span holds counts and kinds: no id, no purpose, no key.

    A denial is an outcome, not an error. Without a configured SDK it costs some microseconds.
    """

    gate: ReleaseGate

    async def __call__(
        self,
        *,
        caller: Caller,
        action: Action,
        purpose: Purpose,
        versions: Sequence[VersionRef],
        fields: Mapping[VersionRef, Pointers] | None = None,
    ) -> Release:
        # An exception's text may quote what it stumbled over: the span gets its type alone.
        with _tracer.start_as_current_span(
            "release_gate",
            attributes={
                "strongroom.release.action": action.value,
                "strongroom.release.versions_asked": len(versions),
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                release = await self.gate(
                    caller=caller,
                    action=action,
                    purpose=purpose,
                    versions=versions,
                    fields=fields,
                )
            except NotFound:
                span.set_attribute("strongroom.release.versions_opened", 0)
                raise
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise
            span.set_attribute("strongroom.release.versions_opened", len(release.opened))
            return release
