"""Which fields of a record may be searched, and which are sensitive: what its schema says of them.

Text is searchable, other values are not, unless the schema marks them by `x-searchable`. What it
marks by `x-sensitive` never is. A mark holds for everything below it, and where several parts of
a schema may apply to a field, any that keeps it out of the index does so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from domain.json_pointer import WHOLE, Json, Pointers, below, parse
from domain.vault.schema_rules import LIST, NAMED, ONE, SEARCHABLE, SENSITIVE, referred

Subschemas = Sequence[Mapping[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedLeaf:
    """A value without members: where it is, what its place is called, and what may be done."""

    pointer: str
    labels: tuple[str, ...]
    value: Json
    searchable: bool


def marked_leaves(schema: Mapping[str, Json], record: Json) -> Iterator[MarkedLeaf]:
    """The leaves of a valid record, in order."""
    yield from _Reading(schema).leaves(record, WHOLE, (), [schema], None)


def sensitive_fields(schema: Mapping[str, Json], fields: Pointers) -> Pointers:
    """Those of these fields that may hold something sensitive: marked so themselves, by what is
    above them, or by anything below."""
    return frozenset(each for each in fields if _Reading(schema).is_sensitive(each))


@dataclass(frozen=True, slots=True)
class _Reading:
    schema: Mapping[str, Json]

    def is_sensitive(self, pointer: str) -> bool:
        applying = self._applying([self.schema])
        for token in parse(pointer):
            if any(each.get(SENSITIVE) is True for each in applying):
                return True
            inner = [*_of_member(applying, token)]
            if token.isdecimal():
                inner += _of_place(applying, int(token))
            applying = self._applying(inner)
        return self._marks(applying)

    def _marks(self, starts: Subschemas) -> bool:
        """Whether these, or whatever they are made of, mark anything as sensitive."""
        made_of = _each_once(starts, self._made_of)
        return any(each.get(SENSITIVE) is True for each in made_of)

    def _made_of(self, schema: Mapping[str, Json]) -> Subschemas:
        parts: list[Json] = [schema.get(keyword) for keyword in ONE - {"not"}]
        for keyword in LIST:
            parts += _schemas(schema.get(keyword))
        for keyword in NAMED - {"$defs"}:  # what is defined counts where it is referred to
            parts += _values(schema.get(keyword))
        return [*self._referred(schema), *_schemas(parts)]

    def leaves(
        self,
        value: Json,
        pointer: str,
        labels: tuple[str, ...],
        starts: Subschemas,
        marked: bool | None,
    ) -> Iterator[MarkedLeaf]:
        """`marked` is what was said above: kept out (False), let in (True), or nothing."""
        applying = self._applying(starts)
        if labels and (title := _title([*starts, *applying])):
            labels = (*labels[:-1], title)
        marked = _marked(applying, marked)
        if isinstance(value, dict) and value:
            for name, member in value.items():
                inner = _of_member(applying, name)
                yield from self.leaves(member, below(pointer, name), (*labels, name), inner, marked)
        elif isinstance(value, list) and value:
            for place, member in enumerate(value):
                inner = _of_place(applying, place)
                yield from self.leaves(member, below(pointer, place), labels, inner, marked)
        else:
            searchable = isinstance(value, str) if marked is None else marked
            yield MarkedLeaf(pointer=pointer, labels=labels, value=value, searchable=searchable)

    def _applying(self, starts: Subschemas) -> Subschemas:
        """These, and whatever applies at the same place because of them, each once."""
        return list(_each_once(starts, self._at_the_same_place))

    def _at_the_same_place(self, schema: Mapping[str, Json]) -> Subschemas:
        parts: list[Json] = [schema.get(keyword) for keyword in ("if", "then", "else")]
        for keyword in ("allOf", "anyOf", "oneOf"):
            parts += _schemas(schema.get(keyword))
        parts += _values(schema.get("dependentSchemas"))
        return [*self._referred(schema), *_schemas(parts)]

    def _referred(self, schema: Mapping[str, Json]) -> Subschemas:
        return _schemas([referred(self.schema, schema["$ref"])]) if "$ref" in schema else []


def _each_once(
    starts: Subschemas, further: Callable[[Mapping[str, Json]], Subschemas]
) -> Iterator[Mapping[str, Json]]:
    """These and all that they lead to. Schemas may lead back to themselves."""
    found: set[int] = set()
    waiting = list(starts)
    while waiting:
        each = waiting.pop()
        if id(each) not in found:
            found.add(id(each))
            waiting += further(each)
            yield each


def _marked(applying: Subschemas, above: bool | None) -> bool | None:
    if above is False or any(
        each.get(SENSITIVE) is True or each.get(SEARCHABLE) is False for each in applying
    ):
        return False
    return True if any(each.get(SEARCHABLE) is True for each in applying) else above


def _of_member(applying: Subschemas, name: str) -> Subschemas:
    """What may apply to a member. Patterns are not tried: each of them might fit."""
    inner: list[Json] = []
    for each in applying:
        named = each.get("properties")
        if isinstance(named, dict) and name in named:
            inner.append(named[name])
        else:
            inner.append(each.get("additionalProperties"))
        inner += [*_values(each.get("patternProperties")), each.get("unevaluatedProperties")]
    return _schemas(inner)


def _of_place(applying: Subschemas, place: int) -> Subschemas:
    inner: list[Json] = []
    for each in applying:
        first = each.get("prefixItems")
        if isinstance(first, list) and place < len(first):
            inner.append(first[place])
        else:
            inner.append(each.get("items"))
        inner += [each.get("contains"), each.get("unevaluatedItems")]
    return _schemas(inner)


def _title(starts: Subschemas) -> str | None:
    titles = (each.get("title") for each in starts)
    return next((title for title in titles if isinstance(title, str) and title), None)


def _values(named: Json) -> list[Json]:
    return list(named.values()) if isinstance(named, dict) else []


def _schemas(members: Json) -> list[dict[str, Json]]:
    """Those that say anything: a schema may be true, false, or left out."""
    if not isinstance(members, list):
        return []
    return [each for each in members if isinstance(each, dict)]
