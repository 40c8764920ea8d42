-- What an analyst reads: figures over all clients, in views. Nothing here names a user, or says what one watched.
-- The views belong to marquee_views, as whom nobody logs in: it reads the columns that the views need, across
-- clients, by policies of its own; marquee_analyst reads the views and no table.

CREATE SCHEMA analysis;
GRANT USAGE ON SCHEMA analysis TO marquee_analyst;

GRANT SELECT (client_id, username, status, created_at, nightly_k) ON clients TO marquee_views;
GRANT SELECT (client_id, created_at) ON users TO marquee_views;
GRANT SELECT (recommendation_id, served_at, client_id, version, source, movie_ids) ON recommendations TO marquee_views;
GRANT SELECT (recommendation_id, client_id, event, rating, received_at) ON feedback TO marquee_views;
GRANT SELECT (injection_id, client_id, source, day, rows_read, rows_loaded, rows_unchanged, rows_superseded,
              rows_rejected, started_at, finished_at) ON injections TO marquee_views;
GRANT SELECT (injection_id, client_id, rule) ON rejects TO marquee_views;
GRANT SELECT (client_id, day, version, source, movie_ids) ON nightly_lists TO marquee_views;
GRANT SELECT (version, status, day, trained_at, metrics, verdict) ON models TO marquee_views;
GRANT SELECT (champion, champion_since) ON serving TO marquee_views;
GRANT SELECT (movie_id, title, year, kind, ratings_count) ON movies TO marquee_views;
GRANT SELECT ON movie_genres, genres, publications, drift TO marquee_views;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['clients', 'users', 'recommendations', 'feedback', 'injections', 'rejects',
                                'nightly_lists'] LOOP
        EXECUTE format('CREATE POLICY for_analysis ON %I FOR SELECT TO marquee_views USING (true)', name);
    END LOOP;
END $$;

CREATE VIEW analysis.clients AS
SELECT client_id, username AS client, status, (created_at AT TIME ZONE 'UTC')::date AS joined, nightly_k FROM clients;

CREATE VIEW analysis.users_daily AS
SELECT (u.created_at AT TIME ZONE 'UTC')::date AS joined, c.username AS client, count(*) AS users
FROM users u JOIN clients c USING (client_id) GROUP BY 1, 2;

CREATE VIEW analysis.served_daily AS
SELECT (r.served_at AT TIME ZONE 'UTC')::date AS day, c.username AS client, r.source, r.version,
    count(*) AS lists, sum(cardinality(r.movie_ids)) AS movies
FROM recommendations r JOIN clients c USING (client_id) GROUP BY 1, 2, 3, 4;

-- Of a list whose line of the log was lost, or is past its time, source and version are not known.
CREATE VIEW analysis.feedback_daily AS
SELECT (f.received_at AT TIME ZONE 'UTC')::date AS day, c.username AS client, r.source, r.version, f.event,
    count(*) AS events, avg(f.rating) AS mean_rating
FROM feedback f JOIN clients c USING (client_id)
LEFT JOIN recommendations r ON r.recommendation_id = f.recommendation_id AND r.client_id = f.client_id
GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW analysis.nightly_lists_daily AS
SELECT n.day, c.username AS client, n.source, n.version, count(*) AS lists, sum(cardinality(n.movie_ids)) AS movies
FROM nightly_lists n JOIN clients c USING (client_id) GROUP BY 1, 2, 3, 4;

-- An import that is of no day is counted without one.
CREATE VIEW analysis.days AS
SELECT i.day, c.username AS client, i.source, count(*) AS files, count(*) FILTER (WHERE i.finished_at IS NULL) AS unfinished,
    sum(i.rows_read) AS rows_read, sum(i.rows_loaded) AS rows_loaded, sum(i.rows_unchanged) AS rows_unchanged,
    sum(i.rows_superseded) AS rows_superseded, sum(i.rows_rejected) AS rows_rejected, max(i.finished_at) AS finished_at
FROM injections i JOIN clients c USING (client_id) GROUP BY 1, 2, 3;

CREATE VIEW analysis.rejects_daily AS
SELECT i.day, c.username AS client, i.source, r.rule, count(*) AS rows
FROM rejects r JOIN injections i USING (injection_id) JOIN clients c ON c.client_id = r.client_id GROUP BY 1, 2, 3, 4;

CREATE VIEW analysis.models AS
SELECT m.version, m.status, m.version = s.champion IS TRUE AS champion, m.day, m.trained_at, m.metrics, m.verdict
FROM models m, serving s;

CREATE VIEW analysis.publications AS
SELECT publication_id, version, replaced, kind, reason, published_at FROM publications;

CREATE VIEW analysis.drift AS
SELECT day, version, measure, psi, js, samples FROM drift;

CREATE VIEW analysis.movies AS
SELECT m.movie_id, m.title, m.year, m.kind, m.ratings_count,
    ARRAY(SELECT g.name FROM movie_genres mg JOIN genres g USING (genre_id) WHERE mg.movie_id = m.movie_id
          ORDER BY g.name) AS genres
FROM movies m;

GRANT CREATE ON SCHEMA analysis TO marquee_views;  -- who is given a view must be able to make one there
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT viewname FROM pg_views WHERE schemaname = 'analysis' LOOP
        EXECUTE format('GRANT SELECT ON analysis.%I TO marquee_analyst', name);
        EXECUTE format('ALTER VIEW analysis.%I OWNER TO marquee_views', name);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA analysis FROM marquee_views;
