-- Who may do what. `marquee roles` makes the three roles before the first migration:
--   marquee_owner     owns the schema and registers clients; sees no user's rows
--   marquee_api       serves one client at a time, the one named by marquee.client_id
--   marquee_pipeline  loads, trains and folds across clients
-- None is a superuser or may bypass row-level security, which is forced, so that it binds the owner too.

CREATE FUNCTION current_client() RETURNS bigint STABLE PARALLEL SAFE
RETURN nullif(current_setting('marquee.client_id', true), '')::bigint;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['clients', 'users', 'movies_users_rating', 'dismissals', 'recommendations',
                                'feedback', 'idempotency_keys', 'injections', 'rejects', 'tombstones'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_client ON %I TO marquee_api USING (client_id = current_client())', name);
        EXECUTE format('CREATE POLICY every_client ON %I TO marquee_pipeline USING (true)', name);
    END LOOP;
END $$;
CREATE POLICY registry ON clients TO marquee_owner USING (true);

GRANT SELECT (client_id, username, name) ON clients TO marquee_api;
GRANT SELECT (client_id, username) ON clients TO marquee_pipeline;
GRANT SELECT ON movies, movie_sources, genres, movie_genres, people, movie_credits, models, serving, alembic_version
    TO marquee_api, marquee_pipeline;

-- A deleted user takes everything along by cascade, which needs no right to delete elsewhere.
GRANT SELECT, INSERT, UPDATE, DELETE ON users TO marquee_api;
GRANT SELECT, INSERT, UPDATE ON movies_users_rating, feedback, idempotency_keys TO marquee_api;
GRANT SELECT, INSERT ON dismissals, recommendations, tombstones TO marquee_api;
GRANT SELECT, DELETE ON rejects TO marquee_api;

GRANT SELECT, INSERT, UPDATE ON users, movies_users_rating TO marquee_pipeline;
GRANT SELECT ON dismissals, feedback, recommendations, tombstones TO marquee_pipeline;
GRANT SELECT, DELETE ON idempotency_keys TO marquee_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON injections, rejects TO marquee_pipeline;
GRANT INSERT, UPDATE, DELETE ON movies, movie_sources, genres, movie_genres, people, movie_credits TO marquee_pipeline;
GRANT INSERT, UPDATE ON models TO marquee_pipeline;
GRANT UPDATE ON serving TO marquee_pipeline;

-- What must cross clients, by name. /token has no client yet, and neither has /create-client.
CREATE FUNCTION client_for_token(wanted text)
RETURNS TABLE (client_id bigint, password_hash text, status text)
STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT c.client_id, c.password_hash, c.status FROM clients c WHERE c.username = wanted;
END;

-- Opens the scope of a client for this transaction and says whether the client may act, in one round trip.
CREATE FUNCTION enter_client(id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM set_config('marquee.client_id', id::text, true);
    RETURN (SELECT status FROM clients WHERE client_id = id);
END $$;

CREATE FUNCTION register_client(username text, name text, email text, password_hash text) RETURNS bigint
SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    INSERT INTO clients (username, name, email, password_hash)
    VALUES (register_client.username, register_client.name, register_client.email, register_client.password_hash)
    RETURNING client_id;
END;

-- The log of what was served has a partition a month. A row outside every month falls into the default one.
CREATE TABLE recommendations_other PARTITION OF recommendations DEFAULT;

-- Rows that fell into the default partition before their month had one move there.
CREATE FUNCTION make_log_partitions(first_day date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month timestamp;
    name text;
    bounds text;
    made integer := 0;
BEGIN
    FOR n IN 0 .. least(months, 24) - 1 LOOP
        month := date_trunc('month', first_day) + make_interval(months => n);
        name := format('recommendations_%s', to_char(month, 'YYYY_MM'));
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        bounds := format('FROM (%L) TO (%L)', month AT TIME ZONE 'UTC',
                         (month + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TABLE %I (LIKE recommendations INCLUDING ALL)', name);
        EXECUTE format('WITH moved AS (DELETE FROM recommendations_other WHERE served_at >= %L AND served_at < %L'
                       ' RETURNING *) INSERT INTO %I SELECT * FROM moved',
                       month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC', name);
        EXECUTE format('ALTER TABLE recommendations ATTACH PARTITION %I FOR VALUES %s', name, bounds);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION drop_log_partitions(before_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old text;
    dropped integer := 0;
BEGIN
    FOR old IN SELECT relname FROM pg_class JOIN pg_inherits ON oid = inhrelid
               WHERE inhparent = 'recommendations'::regclass AND relname ~ '^recommendations_\d{4}_\d{2}$'
               AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' <= before_day LOOP
        EXECUTE format('DROP TABLE %I', old);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM recommendations_other WHERE served_at < before_day::timestamp AT TIME ZONE 'UTC';
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION client_for_token, enter_client, register_client, make_log_partitions, drop_log_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION client_for_token, enter_client, register_client TO marquee_api;
GRANT EXECUTE ON FUNCTION make_log_partitions, drop_log_partitions TO marquee_pipeline;

INSERT INTO serving DEFAULT VALUES;
