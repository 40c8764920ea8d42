"""The platform on one machine: an embedded Postgres, the steps to a first recommendation, a supervisor."""
