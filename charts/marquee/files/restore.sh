#!/bin/sh
# restore.sh FILE: the dump becomes PGDATABASE_restored, beside PGDATABASE, which serves on and is not changed. Whom
# the live one knows to be deleted, the restored one knows too. Then come `marquee migrate` and `marquee
# honour-deletions` on the restored one, and swap.sh. After a failure of any: this again, from the start.
# shellcheck source=charts/marquee/files/restoring.sh
. "$(dirname "$0")/restoring.sh"

rm -f "$file.made"
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
open_again

echo "restoring $file into $fresh; $live serves on"
run <<'SQL' || {
SET client_min_messages = warning;
DROP DATABASE IF EXISTS :"fresh";
CREATE DATABASE :"fresh" TEMPLATE template0;
REVOKE CONNECT, TEMPORARY ON DATABASE :"fresh" FROM PUBLIC;
SQL
  echo "Another restore is at work in $fresh, and was left alone. When none is, end what is connected to it" \
    "(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$fresh'), then run this again." >&2
  exit 1
}
oid=$(run --dbname="$fresh" --command="SELECT oid FROM pg_database WHERE datname = current_database()")
pg_restore --no-password --exit-on-error --single-transaction --dbname="$fresh" "$file"
run --dbname="$fresh" --command="ANALYZE"
if tells; then
  new=$(take_over)
  echo "$new tombstones are taken over from $live"
else
  echo "$live tells of no deletions: those that are noted in the files will be honoured" >&2
fi
run <<'SQL'
GRANT CREATE ON DATABASE :"fresh" TO marquee_owner;
GRANT TEMPORARY ON DATABASE :"fresh" TO marquee_pipeline;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', :'fresh', rolname) FROM pg_roles
WHERE rolname IN ('marquee_owner', 'marquee_api', 'marquee_pipeline', 'marquee_analyst', 'marquee_backup') \gexec
SQL
echo "$oid" >"$file.made"
echo "$fresh is whole; it is not served yet"
