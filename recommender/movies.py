"""The catalogue as Postgres holds it."""

from sqlalchemy import Connection, text

from recommender.catalogue import Catalogue, Movie

_ALL = text("""
    SELECT m.movie_id, m.title, m.year, m.kind, m.ratings_count,
           coalesce(array_agg(g.name ORDER BY g.genre_id) FILTER (WHERE g.name IS NOT NULL), '{}') AS genres
    FROM movies m
    LEFT JOIN movie_genres USING (movie_id)
    LEFT JOIN genres g USING (genre_id)
    GROUP BY m.movie_id
""")


def read_catalogue(connection: Connection) -> Catalogue:
    rows = connection.execute(_ALL).all()
    movies = (Movie(row.movie_id, row.title, row.year, row.kind, tuple(row.genres)) for row in rows)
    return Catalogue(movies, {row.movie_id: row.ratings_count for row in rows})
