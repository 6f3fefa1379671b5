"""The table in matrix.txt, read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROLES = (
    "owner", "grantee", "expired", "revoked", "stranger", "elsewhere", "auditor", "admin",
    "bearer", "stray", "ended", "anonymous",
)  # fmt: skip
AS_IF_ABSENT, REFUSED, PUBLIC = ".", "no", "*"
WITHOUT_ACCOUNT = ("bearer", "stray", "ended", "anonymous")
WITHOUT_TOKEN = ("ended", "anonymous")
"""Of a token that does not work any more one is told that it does not, and no more."""

ANYBODY = ("elsewhere", "anonymous")
"""Who tries what looks at no token: others would be told the same by the same code."""


@dataclass(frozen=True, slots=True)
class Row:
    """What each role is answered for what stands at `place` in a request for `operation`."""

    operation: str
    place: str
    none: int | None
    by_role: dict[str, str]
    is_public: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.operation, self.place

    def status(self, role: str) -> int:
        """For something that is there."""
        told = self.by_role[role]
        if told == AS_IF_ABSENT:
            assert self.none is not None
            return self.none
        if self.refuses(role):
            return 401 if role in WITHOUT_TOKEN else 403
        return int(told)

    def status_of_nothing(self, role: str) -> int | None:
        """For an id that nobody has; None where a request names nothing."""
        return self.status(role) if self.refuses(role) else self.none

    def refuses(self, role: str) -> bool:
        """Whether they may not ask at all, whatever they name."""
        return self.by_role[role] == REFUSED

    def hides(self, role: str) -> bool:
        """Whether there must be no difference between what is there and nothing at all."""
        return self.by_role[role] in (AS_IF_ABSENT, REFUSED)


def read_matrix() -> tuple[Row, ...]:
    text = Path(__file__).with_suffix(".txt").read_text()
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    rows = tuple(_row(words) for words in lines)
    assert len({row.key for row in rows}) == len(rows), "a row is there twice"
    return rows


def _row(words: list[str]) -> Row:
    method, path, place, none, *told = words
    is_public = told[0].startswith(PUBLIC)
    if is_public:
        by_role = dict.fromkeys(ANYBODY, told[0].removeprefix(PUBLIC))
    else:
        assert len(told) == len(ROLES), words
        by_role = dict(zip(ROLES, told, strict=True))
    return Row(f"{method} {path}", place, None if none == "-" else int(none), by_role, is_public)
