"""The price table, from the file that comes with Strongroom or from one of the operator's own."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from domain.chat.price import Price, PriceTable


class _Price(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=100)]
    since: date
    until: date | None = None
    input: Decimal
    cached: Decimal | None = None
    output: Decimal


class _Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    prices: Annotated[list[_Price], Meta(max_length=10_000)]


def price_table(path: Path | None = None) -> PriceTable:
    """Raises ValueError for what is no price table, and OSError."""
    told = files("adapters.models").joinpath("prices.toml") if path is None else path
    try:
        found = tomllib.loads(told.read_text(encoding="utf-8"), parse_float=str)
        table = msgspec.convert(found, _Table, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise ValueError(str(wrong)) from None
    prices = [Price(**msgspec.structs.asdict(each)) for each in table.prices]
    return PriceTable(currency=table.currency, prices=prices)
