"""A month's partition of the log, also when lists of known users were served before it was made."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

FOLDER = Path(__file__).parent.parent


def upgrade() -> None:
    statements = (FOLDER / "log_partitions.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    """The function stays as it is: it does the same, where the one before it did not fail."""
