"""The clients of a database that was restored, as numbers."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

FOLDER = Path(__file__).parent.parent


def upgrade() -> None:
    statements = (FOLDER / "restored.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP FUNCTION client_ids")
