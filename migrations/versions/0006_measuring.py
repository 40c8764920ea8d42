"""Runs of verbs, the spread of what was shown, and sums over clients that the API may tell."""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

FOLDER = Path(__file__).parent.parent


def upgrade() -> None:
    statements = (FOLDER / "measuring.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP SCHEMA figures CASCADE")
    op.execute("DROP INDEX injections_day_idx")
    op.execute("DROP TABLE runs, exposure")
