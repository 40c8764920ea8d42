"""Alembic's entry: runs the migrations as the role that owns the schema, one transaction for all of them."""

from alembic import context
from sqlalchemy import NullPool, create_engine

from recommender.settings import DatabaseSettings
from recommender.tables import metadata

url = DatabaseSettings.read().database_url
engine = create_engine(url, hide_parameters=True, poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        # Requests queue behind a change that waits for its lock: it gives up first, and is tried again.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '500ms'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('marquee.migrate'))")
        context.run_migrations()
