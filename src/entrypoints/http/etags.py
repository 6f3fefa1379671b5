"""Versions as entity tags, and the conditions that name them (RFC 9110, sections 8.8 and 13)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.errors import PreconditionFailed
from entrypoints.http.refusals import InvalidFields, PreconditionRequired, WrongField


def etag_of(version: int) -> str:
    """The strong entity tag of a version number, quotes included: `"7"`."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a client says the present version is: one of some, or, after `*`, whichever."""

    versions: frozenset[int] | None

    def require(self, current: int) -> None:
        """Raises PreconditionFailed where the version is another one."""
        if self.versions is not None and current not in self.versions:
            raise PreconditionFailed

    @property
    def version(self) -> int | None:
        """The one version a change was based on, for a guarded write; None after `*`.

        Raises PreconditionFailed where none or several were named: no write can be based on them.
        """
        if self.versions is None:
            return None
        if len(self.versions) != 1:
            raise PreconditionFailed
        return next(iter(self.versions))


def expectation(if_match: str | None, *, required: bool = True) -> Expectation:
    """What an If-Match header expects; strong comparison, so weak tags never match.

    Raises PreconditionRequired (428) where it is required and missing, and InvalidFields at
    /header/If-Match where it is malformed. Tags that are not ours match no version.
    """
    if if_match is None:
        if required:
            raise PreconditionRequired
        return Expectation(None)
    tags = _tags(if_match, "If-Match")
    if tags is None:
        return Expectation(None)
    numbers = (_version(tag) for weak, tag in tags if not weak)
    return Expectation(frozenset(number for number in numbers if number is not None))


def is_unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has what has this `etag` already, so that 304 answers; weak comparison."""
    if if_none_match is None:
        return False
    tags = _tags(if_none_match, "If-None-Match")
    return tags is None or any(f'"{tag}"' == etag for _, tag in tags)


_TAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"')
_TAGS_MAX = 32


def _tags(header: str, name: str) -> list[tuple[bool, str]] | None:
    """(weak, opaque tag) of each in the list; None for `*`. Empty elements are allowed."""
    if header.strip(" \t") == "*":
        return None
    tags: list[tuple[bool, str]] = []
    position = 0
    while position < len(header):
        if header[position] in " \t,":
            position += 1
            continue
        match = _TAG.match(header, position)
        follows = header[match.end() : match.end() + 1] if match else "?"
        if match is None or follows not in ("", " ", "\t", ",") or len(tags) == _TAGS_MAX:
            raise InvalidFields([WrongField(f"/header/{name}", "This is not a list of ETags.")])
        tags.append((match["weak"] is not None, match["tag"]))
        position = match.end()
    if not tags:
        raise InvalidFields([WrongField(f"/header/{name}", "This is not a list of ETags.")])
    return tags


def _version(tag: str) -> int | None:
    return int(tag) if re.fullmatch(r"[1-9][0-9]{0,17}", tag) else None
