"""`strongroom doctor`: attacks the deployment that it finds, and tells what it measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
from rich.console import Console

from adapters.postgres.migrate import is_up_to_date
from domain.errors import Refusal
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.doctor import gate, isolation, log, races, revoking, surroundings
from entrypoints.cli.doctor.findings import Finding, Outcome, held_if
from entrypoints.cli.doctor.patient import TENANTS, Patient, admitted
from entrypoints.cli.fence import assert_fence_open
from entrypoints.logs import configure_logs
from entrypoints.settings import Settings, SettingsError

Examination = tuple[str, Callable[[Patient], Awaitable[Sequence[Finding]]]]

EXAMINATIONS: Sequence[Examination] = (
    ("What it stands on", surroundings.examine),
    ("The roles of the database", isolation.examine_roles),
    ("Tenants are kept apart, and history is not rewritten", isolation.examine),
    ("The audit row is the key", gate.examine),
    ("Twenty at once", races.examine),
    ("Withdrawing while it is shown", revoking.examine),
    ("The log", log.examine),
)
EXAMINATION_SECONDS_MAX = 60
_MARKS = {Outcome.HELD: "ok", Outcome.DOUBTFUL: "note", Outcome.BROKEN: "BROKEN"}
_STYLES = {Outcome.HELD: "green", Outcome.DOUBTFUL: "yellow", Outcome.BROKEN: "bold red"}


async def examine(settings: Settings, *, examinations: Sequence[Examination] = EXAMINATIONS) -> int:
    """The exit status: 0 when everything held, 1 when something did not.

    Raises SettingsError where there is nothing to examine yet, and FenceClosed in a database that
    was restored and has not caught up.
    """
    configure_logs(settings)
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    outcomes: list[Outcome] = []
    if settings.database_url is None and not (settings.data_dir / "postgres").exists():
        raise SettingsError(
            f"There is nothing to examine in {settings.data_dir} yet: `strongroom serve` makes it."
        )
    async with beside_a_server(settings) as container:
        if not await is_up_to_date(container.database()):
            raise SettingsError("The schema is not up to date: run `strongroom migrate` first.")
        # What is tried here goes into the log, which a restored database would go on from and fork.
        await assert_fence_open(container)
        async with container.postgres_signals().listening(), admitted(container) as patient:
            for title, examination in (*examinations, ("Afterwards", _discharged)):
                console.print(f"\n[bold]{title}[/bold]")
                for finding in await found(examination, patient):
                    _tell(console, finding)
                    outcomes.append(finding.outcome)
    broken, notes = outcomes.count(Outcome.BROKEN), outcomes.count(Outcome.DOUBTFUL)
    seconds = time.monotonic() - began
    ending = "All of it held" if not broken else f"{broken} of {len(outcomes)} did not hold"
    console.print(f"\n{ending}, {notes} notes, in {seconds:.0f} s.")
    return 1 if broken else 0


async def found(
    examination: Callable[[Patient], Awaitable[Sequence[Finding]]], patient: Patient
) -> Sequence[Finding]:
    limit = asyncio.timeout(EXAMINATION_SECONDS_MAX)
    try:
        async with limit:
            return await examination(patient)
    except Exception as failure:  # noqa: BLE001 - one that cannot be made is a finding as well
        why = _why(failure)
        if limit.expired():
            why = f"it took longer than {EXAMINATION_SECONDS_MAX} s"
        return [Finding(Outcome.BROKEN, f"this could not be examined: {why}")]


async def _discharged(patient: Patient) -> Sequence[Finding]:
    where = f"the people and documents of {' and '.join(TENANTS)}"
    try:
        await patient.discharge()
    except Exception as failure:  # noqa: BLE001 - whatever is broken, all else has been told
        return [held_if(False, f"{where} could not be erased: {_why(failure)}")]
    return [held_if(True, f"{where} are erased")]


def _why(failure: Exception) -> str:
    """A refusal's words are ours, and whoever lacks a privilege is told on which table. What else
    was said may quote what was given."""
    if isinstance(failure, Refusal):
        return str(failure)
    at: BaseException | None = failure
    while at is not None and not isinstance(at, asyncpg.PostgresError):
        at = at.__cause__
    if isinstance(at, asyncpg.InsufficientPrivilegeError):
        return str(at)
    return type(at or failure).__name__


def _tell(console: Console, finding: Finding) -> None:
    mark, style = _MARKS[finding.outcome], _STYLES[finding.outcome]
    console.print(f"  [{style}]{mark:>6}[/{style}]  ", end="")
    console.print(finding.told, markup=False)
