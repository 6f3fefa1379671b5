"""Reads presentations (ISO/IEC 29500 PresentationML): slide by slide, then each slide's notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice, zip_longest
from typing import Any

import pptx
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.oxml import parse_xml

from adapters.extraction.cell_text import number_in, number_text, serial_text
from adapters.extraction.container import check_container
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.transcript import Transcript
from domain.place import Place
from domain.retrieval.extracted_text import BlockKind, ExtractedText
from domain.retrieval.rejection import more_than

_TITLES = frozenset({PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE})
_FURNITURE = frozenset({PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER})
_BODIES = frozenset({PP_PLACEHOLDER.BODY, PP_PLACEHOLDER.OBJECT, PP_PLACEHOLDER.VERTICAL_BODY})
_GROUP_DEPTH_MAX = 16
_POINTS_MAX = 500  # of a series that are read
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DATA_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm"
_ROW_EMU = 360_000  # one centimetre: shapes whose tops differ by less stand side by side


def extract_pptx(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """A title is a heading, a paragraph in a body a list item; pages are the slides."""
    check_container(content, limits)
    slides = pptx.Presentation(BytesIO(content)).slides
    if len(slides) > limits.pages_max:
        raise more_than(limits.pages_max, "slides")
    transcript = Transcript(limits)
    for number, slide in enumerate(slides, start=1):
        place = Place(page=number)
        for shape in _in_reading_order(slide.shapes, depth=0):
            _read_shape(shape, transcript, place)
        if slide.has_notes_slide:
            notes = slide.notes_slide.notes_text_frame
            for paragraph in notes.paragraphs if notes is not None else ():
                transcript.add(BlockKind.PARAGRAPH, _text(paragraph), place=place)
    return transcript.finish("The presentation has no text.")


def _in_reading_order(shapes: Iterable[Any], depth: int) -> Iterator[Any]:
    """The title, then from top to bottom, and from left to right where shapes stand in a row."""
    ordered = sorted(
        shapes,
        key=lambda shape: (
            _placeholder(shape) not in _TITLES,
            (shape.top or 0) // _ROW_EMU,
            shape.left or 0,
        ),
    )
    for shape in ordered:
        if hasattr(shape, "shapes"):
            if depth < _GROUP_DEPTH_MAX:
                yield from _in_reading_order(shape.shapes, depth + 1)
        else:
            yield shape


def _read_shape(shape: Any, transcript: Transcript, place: Place) -> None:
    if getattr(shape, "has_table", False):
        for row in shape.table.rows:
            cells = [cell.text for cell in row.cells if not cell.is_spanned]
            transcript.add_row(cells, place=place)
        return
    _read_drawn(shape, transcript, place)
    holder = _placeholder(shape)
    if not shape.has_text_frame or holder in _FURNITURE:
        return
    if holder in _TITLES:
        transcript.add(BlockKind.HEADING, shape.text_frame.text, level=1, place=place)
        return
    for paragraph in shape.text_frame.paragraphs:
        if holder in _BODIES:
            level = paragraph.level + 1
            transcript.add(BlockKind.LIST_ITEM, _text(paragraph), level=level, place=place)
        else:
            transcript.add(BlockKind.PARAGRAPH, _text(paragraph), place=place)


def _read_drawn(shape: Any, transcript: Transcript, place: Place) -> None:
    """Charts and SmartArt. One that is not as this library knows it leaves nothing."""
    try:
        rows = list(_chart_rows(shape.chart)) if getattr(shape, "has_chart", False) else []
        points = list(_diagram_points(shape))
    except (MemoryError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 - whatever it is about, it is about this drawing
        return
    for row in rows:
        transcript.add_row(row, place=place)
    for point in points:
        transcript.add(BlockKind.LIST_ITEM, point, level=1, place=place)


def _chart_rows(chart: Any) -> Iterator[list[str]]:
    """The title, and of each series its name, and its values beside what they are of."""
    if chart.has_title and chart.chart_title.has_text_frame:
        yield [chart.chart_title.text_frame.text]
    dated = next(chart._chartSpace.iter(f"{_CHART}dateAx"), None) is not None
    for plot in chart.plots:
        names = [str(each.label) for each in islice(plot.categories, _POINTS_MAX)]
        if dated:
            names = [_date(name) for name in names]
        for series in plot.series:
            values = [
                number_text(value) if isinstance(value, float) else ""
                for value in islice(series.values, _POINTS_MAX)
            ]
            named = zip_longest(names, values, fillvalue="")
            yield [series.name, *(": ".join(filter(None, pair)) for pair in named)]


def _date(serial: str) -> str:
    days = number_in(serial)
    return serial if days is None else serial_text(days, "yyyy-mm-dd", since_1904=False)


def _diagram_points(shape: Any) -> Iterator[str]:
    """The words of SmartArt, whose data is a part of its own."""
    for ids in shape._element.iter(f"{_DIAGRAM}relIds"):
        data = shape.part.related_part(ids.get(_DATA_ID))
        for paragraph in parse_xml(data.blob).iter(f"{_A}p"):
            yield "".join(run.text or "" for run in paragraph.iter(f"{_A}t"))


def _placeholder(shape: Any) -> PP_PLACEHOLDER | None:
    return shape.placeholder_format.type if shape.is_placeholder else None


def _text(paragraph: Any) -> str:
    text: str = paragraph.text
    return text.replace("\v", "\n")
