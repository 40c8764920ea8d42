"""Views for analysts, over all clients and without anything personal."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

FOLDER = Path(__file__).parent.parent
READ = (
    "clients, users, recommendations, feedback, injections, rejects, nightly_lists, models, serving, movies,"
    " movie_genres, genres, publications, drift"
)
WITH_POLICY = ("clients", "users", "recommendations", "feedback", "injections", "rejects", "nightly_lists")


def upgrade() -> None:
    statements = (FOLDER / "analysis.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP SCHEMA analysis CASCADE")
    for table in WITH_POLICY:
        op.execute(f"DROP POLICY for_analysis ON {table}")
    op.execute(f"REVOKE ALL ON {READ} FROM marquee_views")
