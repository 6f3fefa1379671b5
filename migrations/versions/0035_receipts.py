"""The built-in purpose of care stands for a published term; an ending says what it did."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
<<<<<<<< HEAD:migrations/versions/0031_published_purpose.py
    run_script("0031_published_purpose")
========
    run_script("0035_published_purpose")
    run_script("0035_outcomes")
>>>>>>>> 5c32465 (Let a receipt be had after its reply was lost):migrations/versions/0035_receipts.py
