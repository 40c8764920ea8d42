"""What daily learning keeps: publications, nightly lists, drift, genre profiles, verdicts."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

FOLDER = Path(__file__).parent.parent


def upgrade() -> None:
    statements = (FOLDER / "learning.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements.replace("%", "%%"))


def downgrade() -> None:
    op.execute("GRANT DELETE ON movies TO marquee_pipeline")
    op.create_foreign_key(None, "movies_users_rating", "movies", ["movie_id"], ["movie_id"])
    op.execute("DROP FUNCTION rated_movies_exist CASCADE")
    op.execute("DROP TABLE publications, nightly_lists, drift")
    op.execute("ALTER TABLE users DROP COLUMN genre_profile, DROP COLUMN profiled_at")
    op.execute("ALTER TABLE clients DROP COLUMN nightly_k")
    op.execute("ALTER TABLE models DROP COLUMN verdict, DROP COLUMN day")
    op.execute("ALTER TABLE injections DROP COLUMN rows_unchanged")
