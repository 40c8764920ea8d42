"""From the ratings in Postgres to a champion that serves: snapshot, train, judge, publish, fold again."""
