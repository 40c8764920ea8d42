"""Alembic's entry: runs the migrations as the role that owns the schema, one transaction for all of them."""

from alembic import context
from sqlalchemy import create_engine

from recommender.settings import DatabaseSettings
from recommender.tables import metadata

engine = create_engine(DatabaseSettings.read().database_url, hide_parameters=True)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
