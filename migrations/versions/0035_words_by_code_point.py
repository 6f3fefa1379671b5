"""Words lie in the index by their code points, whatever the locale of the server."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    # What begins alike then lies side by side, and is found without looking at anything else. The
    # key is built anew; the rows stay as they are.
    op.execute('ALTER TABLE postings ALTER COLUMN lexeme TYPE text COLLATE "C"')
