-- After a restore, marquee_api goes through a database client by client, and must know which there are:
-- numbers only, each of which it could enter already.

CREATE FUNCTION client_ids() RETURNS SETOF bigint
STABLE SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    SELECT c.client_id FROM clients c ORDER BY c.client_id;
END;

REVOKE ALL ON FUNCTION client_ids FROM PUBLIC;
GRANT EXECUTE ON FUNCTION client_ids TO marquee_api;
