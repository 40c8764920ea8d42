"""The movies of one file, merged into the catalogue by a few statements over a temporary table."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Connection, text

from recommender.bulk import copy_rows, lock_catalogue, run
from recommender.imports.movie_rows import FileMovie
from recommender.titles import title_key, title_keys

_BETWEEN = chr(31)  # stands between the names in one column


def load_movies(connection: Connection, source: str, movies: Iterable[FileMovie]) -> Counter[str]:
    """How many movies are known, updated, matched with a movie of another source, or new."""
    lock_catalogue(connection)
    run(connection, _INCOMING)
    columns = "line, source_id, title, title_key, keys, year, kind, genres"
    copy_rows(connection, "incoming_movies", columns, map(_row, movies))
    for statement in _MERGE:
        run(connection, statement, source=source)
    counted = connection.execute(text("SELECT state, count(*) FROM incoming_movies GROUP BY state"))
    return Counter(dict(counted.all()))


def _row(movie: FileMovie) -> tuple[object, ...]:
    key, keys = title_key(movie.title), _BETWEEN.join(title_keys(movie.title))
    genres = _BETWEEN.join(movie.genres)
    return movie.line, movie.source_id, movie.title, key, keys, movie.year, movie.kind, genres


_INCOMING = """
CREATE TEMPORARY TABLE incoming_movies (
    line bigint PRIMARY KEY, source_id text NOT NULL, title text NOT NULL, title_key text NOT NULL,
    keys text NOT NULL, year smallint, kind text NOT NULL, genres text NOT NULL, movie_id bigint, state text
) ON COMMIT DROP"""

_KNOWN = """
UPDATE incoming_movies i SET movie_id = s.movie_id, state = 'known'
FROM movie_sources s WHERE s.source = :source AND s.source_id = i.source_id"""

# A movie of another source, if it is the only one of that title and year that this source has no id for.
# Of two rows that would take the same movie the first does.
_MATCHED = """
WITH candidates AS (
    SELECT DISTINCT i.line, m.movie_id
    FROM incoming_movies i
    CROSS JOIN unnest(string_to_array(i.keys, chr(31))) AS key
    JOIN movies m ON m.title_key = key AND m.year IS NOT DISTINCT FROM i.year
    WHERE i.state IS NULL
    AND NOT EXISTS (SELECT FROM movie_sources s WHERE s.movie_id = m.movie_id AND s.source = :source)
), only_one AS (
    SELECT line, min(movie_id) AS movie_id FROM candidates GROUP BY line HAVING count(*) = 1
), taken AS (
    SELECT movie_id, min(line) AS line FROM only_one GROUP BY movie_id
)
UPDATE incoming_movies i SET movie_id = taken.movie_id, state = 'matched'
FROM taken WHERE taken.line = i.line"""

# The ids are drawn in the order of the SELECT, so the two numberings agree.
_NEW = """
WITH made AS (
    INSERT INTO movies (title, title_key, year, kind)
    SELECT title, title_key, year, kind FROM incoming_movies WHERE state IS NULL ORDER BY line
    RETURNING movie_id
), ids AS (
    SELECT movie_id, row_number() OVER (ORDER BY movie_id) AS place FROM made
), lines AS (
    SELECT line, row_number() OVER (ORDER BY line) AS place FROM incoming_movies WHERE state IS NULL
)
UPDATE incoming_movies i SET movie_id = ids.movie_id, state = 'new'
FROM ids JOIN lines USING (place) WHERE lines.line = i.line"""

_SOURCES = """
INSERT INTO movie_sources (source, source_id, movie_id)
SELECT :source, source_id, movie_id FROM incoming_movies WHERE state IN ('matched', 'new')"""

# A movie that another source knows too keeps what the first of them said.
_UPDATED = """
UPDATE incoming_movies i SET state = 'updated' FROM movies m
WHERE i.state = 'known' AND m.movie_id = i.movie_id
AND NOT EXISTS (SELECT FROM movie_sources s WHERE s.movie_id = m.movie_id AND s.source <> :source)
AND ((m.title, m.title_key, m.year, m.kind) IS DISTINCT FROM (i.title, i.title_key, i.year, i.kind)
     OR ARRAY(SELECT name FROM movie_genres JOIN genres USING (genre_id)
              WHERE movie_id = m.movie_id ORDER BY 1)
        <> ARRAY(SELECT name FROM unnest(string_to_array(i.genres, chr(31))) AS name ORDER BY 1))"""

_DESCRIBED = """
UPDATE movies m SET title = i.title, title_key = i.title_key, year = i.year, kind = i.kind
FROM incoming_movies i WHERE i.movie_id = m.movie_id AND i.state = 'updated'"""

_INCOMING_GENRES = """
CREATE TEMPORARY TABLE incoming_genres ON COMMIT DROP AS
SELECT movie_id, name FROM incoming_movies, unnest(string_to_array(genres, chr(31))) AS name
WHERE state IN ('new', 'updated')"""

_GENRE_NAMES = """
INSERT INTO genres (name) SELECT DISTINCT name FROM incoming_genres
WHERE name NOT IN (SELECT name FROM genres) ORDER BY name"""

_OLD_GENRES = """
DELETE FROM movie_genres old USING incoming_movies i
WHERE i.movie_id = old.movie_id AND i.state = 'updated'"""

_NEW_GENRES = """
INSERT INTO movie_genres (movie_id, genre_id)
SELECT movie_id, genre_id FROM incoming_genres JOIN genres USING (name)"""

_REVISED = """
UPDATE serving SET catalogue_revision = catalogue_revision + 1
WHERE EXISTS (SELECT FROM incoming_movies WHERE state <> 'known')"""

_MERGE = (
    *(_KNOWN, _MATCHED, _NEW, _SOURCES, _UPDATED, _DESCRIBED),
    *(_INCOMING_GENRES, _GENRE_NAMES, _OLD_GENRES, _NEW_GENRES, _REVISED),
)
