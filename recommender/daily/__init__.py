"""A day of data, from the folder it came in to Postgres: fetch, process, load, and what becomes of it."""
