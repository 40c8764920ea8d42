-- Learning every day: the history of champions, the lists made each night, drift, and what a load writes of a user.

ALTER TABLE users ADD COLUMN genre_profile JSONB;
-- users.updated_at when the profile was made: another value there means that the profile is old.
ALTER TABLE users ADD COLUMN profiled_at TIMESTAMP WITH TIME ZONE;
-- How many movies a night's list has for each of the client's users; NULL: none is made.
ALTER TABLE clients ADD COLUMN nightly_k SMALLINT;
ALTER TABLE clients ADD CONSTRAINT clients_nightly_k_check CHECK (nightly_k BETWEEN 1 AND 100);
ALTER TABLE models ADD COLUMN verdict JSONB;
ALTER TABLE models ADD COLUMN day DATE;
ALTER TABLE injections ADD COLUMN rows_unchanged BIGINT DEFAULT '0' NOT NULL;

CREATE TABLE publications (
    publication_id BIGINT GENERATED ALWAYS AS IDENTITY,
    version TEXT NOT NULL,
    replaced TEXT,
    kind TEXT NOT NULL,
    reason TEXT,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT publications_pkey PRIMARY KEY (publication_id),
    CONSTRAINT publications_version_fkey FOREIGN KEY(version) REFERENCES models (version),
    CONSTRAINT publications_kind_check CHECK (kind IN ('gate', 'forced', 'rollback')),
    CONSTRAINT publications_reason_check CHECK (kind = 'gate' OR reason IS NOT NULL)
);

CREATE TABLE nightly_lists (
    client_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    day DATE NOT NULL,
    version TEXT,
    source TEXT NOT NULL,
    movie_ids BIGINT[] NOT NULL,
    scores REAL[] NOT NULL,
    CONSTRAINT nightly_lists_pkey PRIMARY KEY (client_id, day, user_id),
    CONSTRAINT nightly_lists_client_id_user_id_fkey FOREIGN KEY(client_id, user_id) REFERENCES users (client_id, user_id) ON DELETE CASCADE,
    CONSTRAINT nightly_lists_source_check CHECK (source IN ('model', 'preferences', 'popular'))
);
CREATE INDEX nightly_lists_user_id_idx ON nightly_lists (user_id);

CREATE TABLE drift (
    day DATE NOT NULL,
    version TEXT NOT NULL,
    measure TEXT NOT NULL,
    psi DOUBLE PRECISION NOT NULL,
    js DOUBLE PRECISION NOT NULL,
    samples BIGINT NOT NULL,
    CONSTRAINT drift_pkey PRIMARY KEY (day, version, measure),
    CONSTRAINT drift_version_fkey FOREIGN KEY(version) REFERENCES models (version)
);

ALTER TABLE nightly_lists ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_client ON nightly_lists TO marquee_api USING (client_id = current_client());
CREATE POLICY every_client ON nightly_lists TO marquee_pipeline USING (true);

GRANT SELECT (nightly_k), UPDATE (nightly_k) ON clients TO marquee_api;
GRANT SELECT (nightly_k, status) ON clients TO marquee_pipeline;
GRANT SELECT ON nightly_lists, publications, drift TO marquee_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON nightly_lists, drift TO marquee_pipeline;
GRANT SELECT, INSERT ON publications TO marquee_pipeline;

-- A foreign key is asked row by row, which is what binds a load. Movies are never deleted, so that whether
-- those of new ratings exist can be asked once a statement.
CREATE FUNCTION rated_movies_exist() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT movie_id FROM fresh) rated
               WHERE NOT EXISTS (SELECT FROM movies WHERE movies.movie_id = rated.movie_id)) THEN
        RAISE foreign_key_violation USING MESSAGE = 'a rating of a movie that does not exist';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER rated_movies_exist AFTER INSERT ON movies_users_rating REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION rated_movies_exist();
ALTER TABLE movies_users_rating DROP CONSTRAINT movies_users_rating_movie_id_fkey;
REVOKE DELETE ON movies FROM marquee_pipeline;
