"""What the passages of a sealed document are found by: words, vectors and fields, in one value.

    length of the head (4 bytes) | head (JSON) | vectors (2-byte floats) | words

Words are a line for each lexeme, in order, with the passages that have it and how often. A lexeme
is looked for in the bytes: most are never made into anything.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from application.ports import Cipher, Context, DataKey, Tampered
from application.retrieval.embedder import Vector
from application.retrieval.sealed_index import HalfVectors, SealedEntries, Stems
from domain.identity import TenantId, VersionRef
from domain.language import Language
from domain.retrieval.words import Word, weighed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Some passages of one version, in the clear: in memory, and for one request.

    Places count from 0. `lengths` are in words that count; `fields` are None in documents.
    `vectors` are those of each model, with their dimensions.
    """

    version: VersionRef
    first: int
    passages: Sequence[int]
    language: Language
    lengths: Sequence[int]
    fields: Sequence[str] | None = field(repr=False)
    vectors: Mapping[str, tuple[int, bytes]] = field(repr=False)
    words: bytes = field(repr=False)

    def saying(self, lexeme: str) -> Iterator[tuple[int, int]]:
        """The places of the passages that have it, and how often."""
        begin = self.words.find(f"\n{lexeme}\t".encode())
        if begin < 0:
            return
        end = self.words.index(b"\n", begin + 1)
        for each in self.words[begin:end].partition(b"\t")[2].split(b" "):
            place, _, often = each.partition(b":")
            yield int(place), int(often)

    def lexemes(self, is_visible: Callable[[int], bool]) -> Iterator[str]:
        """Those that a visible passage has."""
        for line in self.words.decode().strip("\n").split("\n"):
            lexeme, _, said = line.partition("\t")
            if any(is_visible(int(each.partition(":")[0])) for each in said.split()):
                yield lexeme


def seal_entries(
    cipher: Cipher,
    key: DataKey,
    tenant_id: TenantId,
    version: VersionRef,
    first: int,
    *,
    said: Sequence[tuple[str, str]],
    fields: Sequence[str] | None,
    vectors: Mapping[str, Sequence[Vector]],
    language: Language,
    stems: Stems,
    half_vectors: HalfVectors,
) -> bytes:
    """`said` is the text of each passage, and what stands above it."""
    configuration = stems.configuration(language)
    lexemes: dict[Word, Sequence[str]] = {}
    lengths, postings = [], defaultdict[str, list[str]](list)
    for place, (text, above) in enumerate(said):
        length, often = 0, Counter[str]()
        for word, count in weighed(text, above).items():
            if word not in lexemes:
                lexemes[word] = stems.lexemes(configuration, word)
            length += count if lexemes[word] and word.is_counted else 0
            for lexeme in lexemes[word]:
                often[lexeme] += count
        lengths.append(length)
        for lexeme, count in often.items():
            postings[lexeme].append(f"{place}:{min(count, _FREQUENCY_MAX)}")
    lines = (f"{lexeme}\t{' '.join(said)}" for lexeme, said in sorted(postings.items()))
    packed = {model: (len(some[0]), half_vectors.pack(some)) for model, some in vectors.items()}
    words = "\n".join(("", *lines, "")).encode()
    entries = Entries(
        version=version,
        first=first,
        passages=(),
        language=language,
        lengths=lengths,
        fields=fields,
        vectors=packed,
        words=words,
    )
    return seal_again(cipher, key, tenant_id, entries)


def seal_again(cipher: Cipher, key: DataKey, tenant_id: TenantId, entries: Entries) -> bytes:
    """Entries as they are, to be opened by `open_entries`."""
    models = [[model, dimensions] for model, (dimensions, _) in entries.vectors.items()]
    told = [models, entries.language, entries.lengths, entries.fields]
    head = json.dumps(told, ensure_ascii=False).encode()
    vectors = (packed for _, packed in entries.vectors.values())
    payload = b"".join((len(head).to_bytes(4), head, *vectors, entries.words))
    return cipher.seal(key, payload, _context(tenant_id, entries.version, entries.first))


def open_entries(
    cipher: Cipher, key: DataKey, tenant_id: TenantId, stored: SealedEntries
) -> Entries:
    """Raises Tampered when the row was altered, or is another one than it says."""
    context = _context(tenant_id, stored.version, stored.first)
    payload = cipher.open(key, stored.sealed, context)
    begin = 4 + int.from_bytes(payload[:4])
    models, language, lengths, fields = json.loads(payload[4:begin])
    if len(lengths) != len(stored.passages):
        raise Tampered("sealed entries are of another number of passages")
    vectors = {}
    for model, dimensions in models:
        end = begin + 2 * dimensions * len(lengths)
        vectors[model] = (dimensions, payload[begin:end])
        begin = end
    return Entries(
        version=stored.version,
        first=stored.first,
        passages=stored.passages,
        language=language,
        lengths=lengths,
        fields=fields,
        vectors=vectors,
        words=payload[begin:],
    )


def _context(tenant_id: TenantId, version: VersionRef, first: int) -> Context:
    return (
        tenant_id.bytes,
        version.document_id.bytes,
        version.version.to_bytes(4),
        b"entries",
        first.to_bytes(4),
    )


_FREQUENCY_MAX = 32_767  # as in the open index
