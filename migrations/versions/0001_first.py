"""The first tables, the policies that keep clients apart, and what each role may do."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

FOLDER = Path(__file__).parent.parent
TABLES = (
    "rejects, injections, tombstones, idempotency_keys, feedback, recommendations, dismissals,"
    " movies_users_rating, users, clients, serving, movie_credits, people, movie_genres, genres,"
    " movie_sources, movies, models"
)
FUNCTIONS = "client_for_token, enter_client, register_client, make_log_partitions, drop_log_partitions"


def upgrade() -> None:
    for name in ("first_tables.sql", "first_access.sql"):
        statements = (FOLDER / name).read_text(encoding="utf-8")
        op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {FUNCTIONS}")
    op.execute(f"DROP TABLE {TABLES}")
    op.execute("DROP FUNCTION current_client")
