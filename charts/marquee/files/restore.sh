#!/bin/sh
# restore.sh FILE: the dump becomes the database PGDATABASE; what had that name is kept as PGDATABASE_before_TIME.
# Reads PGHOST, PGUSER (an administrator), PGPASSWORD and PGDATABASE. Until the dump is restored whole, beside it,
# the database serves on; then all connections end and the names are swapped. After a failure: run it again.
set -eu

file=$1
live=$PGDATABASE
fresh=${live}_restored
before=${live}_before_$(date -u +%Y%m%d_%H%M%S)
export PGDATABASE=postgres PGAPPNAME=marquee-restore PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-10}"

run() {
  psql -XAtq --no-password --set=ON_ERROR_STOP=1 --set=live="$live" --set=fresh="$fresh" --set=before="$before" "$@"
}

# The live one lets people in, also when an earlier run was killed while it swapped the names.
open_again() {
  run <<'SQL'
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname)
FROM pg_database WHERE datname = :'live' AND NOT datallowconn \gexec
SQL
}

pg_restore --file=/dev/null "$file" # reads all of it: nothing is touched for a dump that is damaged
missing=$(run <<'SQL'
SELECT string_agg(name, ', ') FROM unnest(ARRAY['marquee_owner', 'marquee_api', 'marquee_pipeline',
    'marquee_analyst', 'marquee_views']) name WHERE name NOT IN (SELECT rolname FROM pg_roles);
SQL
)
if [ -n "$missing" ]; then
  echo "These roles are missing: $missing. Run \`marquee roles\` first, then this again." >&2
  exit 1
fi
trap open_again EXIT
open_again

echo "restoring $file into $fresh; $live serves on"
run <<'SQL'
DROP DATABASE IF EXISTS :"fresh" WITH (FORCE);
CREATE DATABASE :"fresh" TEMPLATE template0;
REVOKE CONNECT, TEMPORARY ON DATABASE :"fresh" FROM PUBLIC;
GRANT CREATE ON DATABASE :"fresh" TO marquee_owner;
GRANT TEMPORARY ON DATABASE :"fresh" TO marquee_pipeline;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', :'fresh', rolname) FROM pg_roles
WHERE rolname IN ('marquee_owner', 'marquee_api', 'marquee_pipeline', 'marquee_analyst', 'marquee_backup') \gexec
SQL
pg_restore --no-password --exit-on-error --single-transaction --dbname="$fresh" "$file"
run --dbname="$fresh" --command="ANALYZE"

echo "$fresh becomes $live"
run <<'SQL'
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS false', datname) FROM pg_database WHERE datname = :'live' \gexec
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = :'live' \g /dev/null
BEGIN;
SELECT format('ALTER DATABASE %I RENAME TO %I', datname, :'before') FROM pg_database WHERE datname = :'live' \gexec
ALTER DATABASE :"fresh" RENAME TO :"live";
SELECT format('ALTER DATABASE %I ALLOW_CONNECTIONS true', datname) FROM pg_database WHERE datname = :'before' \gexec
COMMIT;
SQL
echo "$live is restored"
run <<'SQL'
SELECT format('What it was is kept as %s. When nobody misses it: DROP DATABASE %I', datname, datname)
FROM pg_database WHERE datname = :'before';
SQL
