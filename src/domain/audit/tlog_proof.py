"""Proofs of inclusion as text (c2sp.org/tlog-proof): a checkpoint, an index, and the hashes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.audit.note import NoteNotValid, hash_from_base64, to_base64

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_HASHES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """That the leaf at `index` is in the tree of the checkpoint; `checkpoint` is the whole note."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def text(self) -> str:
        hashes = "".join(f"{to_base64(each)}\n" for each in self.hashes)
        return f"{_HEADER}\nindex {self.index}\n{hashes}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Raises NoteNotValid. The optional extra line is not authenticated, and passed over."""
        head, _, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if lines.pop(0) != _HEADER or not checkpoint:
            raise NoteNotValid("this is not a tlog-proof")
        if lines and lines[0].startswith("extra "):
            del lines[0]
        index = _INDEX.fullmatch(lines[0]) if lines else None
        hashes = tuple(hash_from_base64(line) for line in lines[1 : _HASHES_MAX + 2])
        if index is None or len(hashes) > _HASHES_MAX:
            raise NoteNotValid("the proof names no index, or has too many hashes")
        return cls(index=int(index[1]), hashes=hashes, checkpoint=checkpoint)
