#!/bin/sh
# swap.sh FILE: what restore.sh made of FILE, as PGDATABASE_restored, becomes PGDATABASE; what had that name is kept
# as PGDATABASE_before_TIME. All connections end, for a moment. After a failure the live one serves as before.
# shellcheck source=charts/marquee/files/restoring.sh
. "$(dirname "$0")/restoring.sh"

trap open_again EXIT
oid=$(cat "$file.made")
name=$(run --set=oid="$oid" <<'SQL'
SELECT datname FROM pg_database WHERE oid = :oid;
SQL
)
case $name in
  "$live")
    echo "$live is restored already"
    exit
    ;;
  "$fresh") ;;
  *)
    echo "$fresh is not what this restore made: another was started meanwhile. Nothing was swapped." >&2
    exit 1
    ;;
esac

echo "$fresh becomes $live"
# Nobody but a superuser gets in at a limit of 0: no deletion comes after the last look.
run <<'SQL'
SELECT format('ALTER DATABASE %I CONNECTION LIMIT 0', datname) FROM pg_database WHERE datname = :'live' \gexec
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = :'live' \g /dev/null
SQL
late=0
if tells; then late=$(take_over); fi
if [ "$late" != 0 ]; then
  echo "Users were deleted from $live while this restore ran ($late tombstones). Nothing was swapped, so that they" \
    "are not served again. Restore once more; if it happens again, stop the API first." >&2
  exit 1
fi
run <<'SQL'
BEGIN;
SELECT format('ALTER DATABASE %I RENAME TO %I', datname, :'before') FROM pg_database WHERE datname = :'live' \gexec
ALTER DATABASE :"fresh" RENAME TO :"live";
SELECT format('ALTER DATABASE %I CONNECTION LIMIT -1', datname) FROM pg_database WHERE datname = :'before' \gexec
COMMIT;
SQL
echo "$live is restored"
run <<'SQL'
SELECT format('What it was is kept as %s. When nobody misses it: DROP DATABASE %I', datname, datname)
FROM pg_database WHERE datname = :'before';
SQL
