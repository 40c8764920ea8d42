"""Rows of files: read, refused by rules that have names, and merged into Postgres."""
