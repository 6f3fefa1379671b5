"""Looks at a ZIP container's directory before anything in it is unpacked.

Office files are ZIP containers. A small one may claim to unpack to petabytes, most cheaply by
members that overlap (D. Fifield, "A better zip bomb", WOOT 2019), so all is refused that no
office program writes. Archives inside the container are never opened, so nesting adds nothing.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from io import BytesIO

from adapters.extraction.limits import ExtractionLimits
from domain.retrieval.rejection import (
    DAMAGED,
    DECLARES_ENTITIES,
    PARTS_OVERLAP,
    PROTECTED,
    DocumentRejected,
    expands_beyond,
    expands_times,
    more_than,
)

_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_DIRECTORY_ENTRY_BYTES_MAX = 512  # 46, a name and some extra fields
_SMALL_MEMBER_BYTES = 1 << 20
_PIECE_BYTES = 65_536
_XML_NAMES = (".xml", ".rels", ".vml")  # pictures and web pages within may have document types
# What may stand before the first element: blanks, comments and instructions.
_PROLOG = re.compile(rb"\s*+(?:(?:<!--.*?-->|<\?.*?\?>)\s*+)*+", re.DOTALL)
_ENCRYPTED = 0x1
_DAMAGES = (
    zipfile.BadZipFile,
    NotImplementedError,  # a compression that zipfile does not know
    EOFError,
    ValueError,
    struct.error,
    zlib.error,
)


def check_container(content: bytes, limits: ExtractionLimits) -> None:
    """Raise DocumentRejected for a container that is a bomb, damaged, or protected."""
    _check_directory_size(content, limits)
    try:
        with zipfile.ZipFile(BytesIO(content)) as container:
            members = container.infolist()
            _check_members(members, limits)
            _check_apart(content, members)
            elements = 0
            for member in members:
                elements += _elements_in(container, member)
                if elements > limits.elements_max:
                    raise more_than(limits.elements_max, "elements")
    except _DAMAGES:
        raise DocumentRejected(DAMAGED) from None


def _check_directory_size(content: bytes, limits: ExtractionLimits) -> None:
    # zipfile reads the whole directory into memory, many times its size, so look at it first.
    at = content.rfind(b"PK\x05\x06", max(0, len(content) - 65_557))
    if at < 0 or at + _END_OF_DIRECTORY.size > len(content):
        raise DocumentRejected(DAMAGED)
    fields = _END_OF_DIRECTORY.unpack_from(content, at)
    members, directory_bytes = fields[4], fields[5]
    if (
        members > limits.archive_members_max
        or directory_bytes > limits.archive_members_max * _DIRECTORY_ENTRY_BYTES_MAX
    ):
        raise _too_many(limits)


def _check_members(members: list[zipfile.ZipInfo], limits: ExtractionLimits) -> None:
    if len(members) > limits.archive_members_max:
        raise _too_many(limits)
    if len({member.filename for member in members}) < len(members):
        raise DocumentRejected(DAMAGED)
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise DocumentRejected(PROTECTED)
    if sum(member.file_size for member in members) > limits.archive_bytes_max:
        raise expands_beyond(limits.archive_bytes_max)
    for member in members:
        if (
            member.file_size > _SMALL_MEMBER_BYTES
            and member.file_size > member.compress_size * limits.archive_ratio_max
        ):
            raise expands_times(limits.archive_ratio_max)


def _check_apart(content: bytes, members: list[zipfile.ZipInfo]) -> None:
    reached = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        header = _LOCAL_HEADER.unpack_from(content, member.header_offset)
        if header[0] != b"PK\x03\x04" or member.header_offset < reached:
            raise DocumentRejected(PARTS_OVERLAP)
        reached = member.header_offset + _LOCAL_HEADER.size + header[9] + header[10]
        reached += member.compress_size
    if reached > len(content):
        raise DocumentRejected(DAMAGED)


def _elements_in(container: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """How many elements a part has; 0 where it is no XML. Reads it without keeping it."""
    with container.open(member) as part:
        piece = part.read(_PIECE_BYTES)
        head = piece.replace(b"\x00", b"")  # of UTF-16
        for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
            head = head.removeprefix(mark)
        if not head.lstrip().startswith(b"<"):
            return 0
        if member.filename.lower().endswith(_XML_NAMES):
            _check_prolog(head)
        elements = 0
        while piece:
            elements += piece.count(b"<") - piece.count(b"</")
            piece = part.read(_PIECE_BYTES)
    return elements


def _check_prolog(head: bytes) -> None:
    # ISO/IEC 29500-2 forbids document types; with one, entities could multiply, or name a file.
    prolog = _PROLOG.match(head)
    rest = head[prolog.end() :] if prolog is not None else head
    if rest.startswith(b"<!DOCTYPE"):
        raise DocumentRejected(DECLARES_ENTITIES)
    if not rest or rest.startswith((b"<!", b"<?")):
        raise DocumentRejected(DAMAGED)  # no element in sight


def _too_many(limits: ExtractionLimits) -> DocumentRejected:
    return more_than(limits.archive_members_max, "parts", holder="file")
