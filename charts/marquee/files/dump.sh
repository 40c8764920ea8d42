#!/bin/sh
# dump.sh FILE: a dump of the database in the custom format, whole or not at all.
# Reads PGHOST, PGUSER (marquee_backup), PGPASSWORD and PGDATABASE. FILE.schema says which revision it is.
set -eu

file=$1
unfinished=$file.unfinished
export PGAPPNAME=marquee-backup PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-10}"
trap 'rm -f "$unfinished"' EXIT

rm -f "$file" "$file.schema"
pg_dump --format=custom --no-password --lock-wait-timeout=300s --file="$unfinished"
pg_restore --file=/dev/null "$unfinished" # reads all of it: what is cut short fails here
psql -XAtq --no-password --command="SELECT version_num FROM alembic_version" >"$file.schema"
mv "$unfinished" "$file"
echo "$PGDATABASE is dumped: $(wc -c <"$file") bytes, schema $(cat "$file.schema")"
