"""Where in its file a stretch of text stands."""

from __future__ import annotations

import pytest

from domain.place import NOWHERE, Place, place_at


def test_a_byte_is_where_the_last_place_before_it_begins() -> None:
    places = ((2, Place(page=1)), (5, Place(page=2)))
    found = [place_at(places, at).page for at in range(7)]
    assert found == [None, None, 1, 1, 1, 2, 2]
    assert place_at((), 3) == NOWHERE


def test_only_what_the_format_has_is_told() -> None:
    assert Place(sheet="Prices", row=3).known() == {"sheet": "Prices", "row": 3}
    assert NOWHERE.known() == {}
    assert Place(pointer="").known() == {"pointer": ""}


@pytest.mark.parametrize("wrong", [{"page": 0}, {"row": -1}])
def test_pages_and_rows_count_from_one(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="from 1"):
        Place(**wrong)  # type: ignore[arg-type]
