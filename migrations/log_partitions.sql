-- As before, but the rows of a new month wait in a table of their own until their partition is attached.
-- When rows are in it already, Postgres looks for their users as the owner, whom row-level security shows none.

CREATE OR REPLACE FUNCTION make_log_partitions(first_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month timestamp;
    name text;
    waiting text;
    first_moment timestamptz;
    next_moment timestamptz;
    made integer := 0;
BEGIN
    FOR n IN 0 .. least(months, 24) - 1 LOOP
        month := date_trunc('month', first_day) + make_interval(months => n);
        name := format('recommendations_%s', to_char(month, 'YYYY_MM'));
        waiting := name || '_waiting';
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        first_moment := month AT TIME ZONE 'UTC';
        next_moment := (month + interval '1 month') AT TIME ZONE 'UTC';
        EXECUTE format('CREATE TABLE %I (LIKE recommendations)', waiting);
        EXECUTE format('WITH moved AS (DELETE FROM recommendations_other WHERE served_at >= %L AND served_at < %L'
                       ' RETURNING *) INSERT INTO %I SELECT * FROM moved', first_moment, next_moment, waiting);
        EXECUTE format('CREATE TABLE %I (LIKE recommendations INCLUDING ALL)', name);
        EXECUTE format('ALTER TABLE recommendations ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, first_moment, next_moment);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, waiting);
        EXECUTE format('DROP TABLE %I', waiting);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
