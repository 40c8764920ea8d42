"""The rows of the last days, as sums over clients that the API may tell."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

FOLDER = Path(__file__).parent.parent


def upgrade() -> None:
    statements = (FOLDER / "days.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW figures.last_days")
