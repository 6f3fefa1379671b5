"""What reading one file may cost. Everything is bounded; operators may move the bounds."""

from __future__ import annotations

import msgspec


class ExtractionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for one file, and how many files are read at a time.

    `memory_bytes_max` is address space on top of what the waiting process has. An archive's
    ratio is unpacked to packed size, and counts from a mebibyte unpacked. Rows and cells are
    those with something in them, of all sheets together.
    """

    content_bytes_max: int = 64 << 20
    text_bytes_max: int = 16 << 20
    blocks_max: int = 500_000
    pages_max: int = 2_000
    wall_seconds_max: float = 60.0
    cpu_seconds_max: int = 45
    memory_bytes_max: int = 1 << 30
    archive_members_max: int = 5_000
    archive_bytes_max: int = 256 << 20
    archive_ratio_max: int = 250
    elements_max: int = 3_000_000
    sheets_max: int = 500
    rows_max: int = 100_000
    columns_max: int = 16_384
    cells_max: int = 1_000_000
    cell_characters_max: int = 100_000
    values_max: int = 1_000_000
    number_digits_max: int = 1_000
    nesting_max: int = 100
    html_nesting_max: int = 512
    message_parts_max: int = 500
    message_nesting_max: int = 30
    message_header_bytes_max: int = 256 << 10
    concurrent_max: int = 2
