# shellcheck shell=sh
# What restore.sh and swap.sh share. Both read PGHOST, PGUSER (a superuser), PGPASSWORD and PGDATABASE, and keep
# two files beside FILE: .made is the oid of the database that this restore made, .taken what it took over.
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
SELECT format('ALTER DATABASE %I CONNECTION LIMIT -1', datname)
FROM pg_database WHERE datname = :'live' AND datconnlimit = 0 \gexec
SQL
}

# Whether the live one answers and has tombstones; any other failure ends the script.
tells() {
  code=0
  table=$(run --dbname="$live" --command="SELECT to_regclass('public.tombstones')") || code=$?
  [ "$code" = 0 ] || [ "$code" = 2 ] || exit "$code" # 2: no connection
  [ -n "$table" ]
}

# The live one's tombstones, of clients who are in both, and the numbers that it gave: whoever gets a new one is
# not taken for somebody who had it. Says how many tombstones are new.
take_over() {
  run --dbname="$live" --command="SET row_security = off" --command="COPY (
    SELECT client_id, username, digest, deleted_at, NULL, NULL
    FROM public.tombstones JOIN public.clients USING (client_id)
    UNION ALL SELECT NULL, NULL, NULL, NULL, sequencename, last_value FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL) TO STDOUT" >"$file.taken"
  run --dbname="$fresh" --single-transaction --command="CREATE TEMPORARY TABLE taken (client_id bigint,
    username text, digest bytea, deleted_at timestamptz, sequence text, given bigint)" \
    --command="COPY taken FROM STDIN" --command="DO \$\$ BEGIN
    PERFORM setval(format('public.%I', sequence)::regclass, given) FROM taken
    JOIN pg_sequences ON sequencename = sequence AND schemaname = 'public' AND given > coalesce(last_value, 0);
    END \$\$" --command="WITH new AS (
    INSERT INTO public.tombstones (client_id, digest, deleted_at) SELECT client_id, digest, deleted_at
    FROM taken JOIN public.clients USING (client_id, username) ON CONFLICT DO NOTHING RETURNING 1)
    SELECT count(*) FROM new" <"$file.taken"
}
