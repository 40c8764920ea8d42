-- What was done and what was shown, as figures of the platform: runs of verbs, and how widely a day's lists were
-- spread. And what the API may read across clients to tell them: sums, in views of the schema `figures`.

CREATE TABLE runs (
    run_id BIGINT GENERATED ALWAYS AS IDENTITY,
    verb TEXT NOT NULL,
    day DATE,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE NOT NULL,
    outcome TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    CONSTRAINT runs_pkey PRIMARY KEY (run_id),
    CONSTRAINT runs_outcome_check CHECK (outcome IN ('ok', 'skipped', 'failed'))
);
CREATE INDEX runs_verb_outcome_finished_at_idx ON runs (verb, outcome, finished_at);

-- Of a day that is over. Gini: 0 when every movie was shown equally often, near 1 when a few were shown always.
CREATE TABLE exposure (
    day DATE NOT NULL,
    lists BIGINT NOT NULL,
    movies BIGINT NOT NULL,
    catalogue BIGINT NOT NULL,
    gini DOUBLE PRECISION NOT NULL,
    CONSTRAINT exposure_pkey PRIMARY KEY (day)
);

CREATE INDEX injections_day_idx ON injections (day);

GRANT SELECT ON runs, exposure TO marquee_api;
GRANT SELECT, INSERT, DELETE ON runs TO marquee_pipeline;
GRANT SELECT, INSERT, UPDATE ON exposure TO marquee_pipeline;

-- Of the newest day of which anything was loaded, over all clients.
CREATE SCHEMA figures;
GRANT USAGE ON SCHEMA figures TO marquee_api, marquee_views;

CREATE VIEW figures.newest_day AS
SELECT day, max(finished_at) AS finished_at, sum(rows_read) AS read, sum(rows_loaded) AS loaded,
    sum(rows_unchanged) AS unchanged, sum(rows_superseded) AS superseded, sum(rows_rejected) AS rejected
FROM injections
WHERE day = (SELECT max(day) FROM injections WHERE finished_at IS NOT NULL)
GROUP BY day;

CREATE VIEW figures.newest_day_rejects AS
SELECT rule, count(*) AS rows
FROM rejects
WHERE injection_id IN (
    SELECT injection_id FROM injections
    WHERE day = (SELECT max(day) FROM injections WHERE finished_at IS NOT NULL))
GROUP BY rule;

-- By client, so that each answer is the end of an index.
CREATE VIEW figures.newest_lists AS
SELECT max(day) AS day FROM clients CROSS JOIN LATERAL (
    SELECT max(n.day) AS day FROM nightly_lists n WHERE n.client_id = clients.client_id) newest;

GRANT CREATE ON SCHEMA figures TO marquee_views;  -- who is given a view must be able to make one there
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT viewname FROM pg_views WHERE schemaname = 'figures' LOOP
        EXECUTE format('GRANT SELECT ON figures.%I TO marquee_api', name);
        EXECUTE format('ALTER VIEW figures.%I OWNER TO marquee_views', name);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA figures FROM marquee_views;
