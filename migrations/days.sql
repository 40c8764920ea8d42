-- The last four weeks that were loaded, over all clients: what became of the rows of each day.

CREATE VIEW figures.last_days AS
SELECT day, max(finished_at) AS finished_at, count(*) - count(finished_at) AS unfinished,
    sum(rows_read)::bigint AS read, sum(rows_loaded)::bigint AS loaded, sum(rows_unchanged)::bigint AS unchanged,
    sum(rows_superseded)::bigint AS superseded, sum(rows_rejected)::bigint AS rejected
FROM injections
WHERE day > (SELECT max(day) FROM injections WHERE finished_at IS NOT NULL) - 28
GROUP BY day;
GRANT SELECT ON figures.last_days TO marquee_api;

GRANT CREATE ON SCHEMA figures TO marquee_views;  -- who is given a view must be able to make one there
ALTER VIEW figures.last_days OWNER TO marquee_views;
REVOKE CREATE ON SCHEMA figures FROM marquee_views;
