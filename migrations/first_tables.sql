-- The first tables: the four of the product and what stands beside them.

CREATE TABLE clients (
    client_id BIGINT GENERATED ALWAYS AS IDENTITY,
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    status TEXT DEFAULT 'active' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT clients_pkey PRIMARY KEY (client_id),
    CONSTRAINT clients_status_check CHECK (status IN ('active', 'disabled')),
    CONSTRAINT clients_username_key UNIQUE (username),
    CONSTRAINT clients_email_key UNIQUE (email)
);

CREATE TABLE genres (
    genre_id SMALLINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    CONSTRAINT genres_pkey PRIMARY KEY (genre_id),
    CONSTRAINT genres_name_key UNIQUE (name)
);

CREATE TABLE models (
    version TEXT NOT NULL,
    status TEXT DEFAULT 'candidate' NOT NULL,
    card JSONB NOT NULL,
    metrics JSONB DEFAULT '{}'::jsonb NOT NULL,
    artifact_url TEXT NOT NULL,
    trained_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT models_pkey PRIMARY KEY (version),
    CONSTRAINT models_status_check CHECK (status IN ('candidate', 'refused', 'published'))
);

CREATE TABLE people (
    person_id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    CONSTRAINT people_pkey PRIMARY KEY (person_id)
);

CREATE TABLE injections (
    injection_id BIGINT GENERATED ALWAYS AS IDENTITY,
    client_id BIGINT NOT NULL,
    source TEXT NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    day DATE,
    rows_read BIGINT DEFAULT '0' NOT NULL,
    rows_loaded BIGINT DEFAULT '0' NOT NULL,
    rows_rejected BIGINT DEFAULT '0' NOT NULL,
    rows_superseded BIGINT DEFAULT '0' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT injections_pkey PRIMARY KEY (injection_id),
    CONSTRAINT injections_client_id_source_file_key UNIQUE (client_id, source, file),
    CONSTRAINT injections_client_id_fkey FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
);

CREATE TABLE movies (
    movie_id BIGINT GENERATED ALWAYS AS IDENTITY,
    title TEXT NOT NULL,
    title_key TEXT NOT NULL,
    year SMALLINT,
    kind TEXT DEFAULT 'movie' NOT NULL,
    ratings_count BIGINT DEFAULT '0' NOT NULL,
    vector vector,
    space TEXT,
    CONSTRAINT movies_pkey PRIMARY KEY (movie_id),
    CONSTRAINT movies_kind_check CHECK (kind IN ('movie', 'show')),
    CONSTRAINT movies_year_check CHECK (year BETWEEN 1870 AND 2100),
    CONSTRAINT movies_vector_has_space_check CHECK ((vector IS NULL) = (space IS NULL)),
    CONSTRAINT movies_space_fkey FOREIGN KEY(space) REFERENCES models (version)
);
CREATE INDEX movies_title_key_year_idx ON movies (title_key, year);

CREATE TABLE serving (
    only_row BOOLEAN DEFAULT true NOT NULL,
    champion TEXT,
    champion_since TIMESTAMP WITH TIME ZONE,
    catalogue_revision BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT serving_pkey PRIMARY KEY (only_row),
    CONSTRAINT serving_only_row_check CHECK (only_row),
    CONSTRAINT serving_champion_fkey FOREIGN KEY(champion) REFERENCES models (version)
);

CREATE TABLE tombstones (
    client_id BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT tombstones_pkey PRIMARY KEY (client_id, digest),
    CONSTRAINT tombstones_client_id_fkey FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
);

CREATE TABLE users (
    user_id BIGINT GENERATED ALWAYS AS IDENTITY,
    client_id BIGINT NOT NULL,
    external_id TEXT,
    preferences JSONB DEFAULT '{}'::jsonb NOT NULL,
    taste vector,
    space TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (user_id),
    CONSTRAINT users_client_id_external_id_key UNIQUE (client_id, external_id),
    CONSTRAINT users_client_id_user_id_key UNIQUE (client_id, user_id),
    CONSTRAINT users_taste_has_space_check CHECK ((taste IS NULL) = (space IS NULL)),
    CONSTRAINT users_client_id_fkey FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
);

CREATE TABLE dismissals (
    client_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    movie_id BIGINT NOT NULL,
    dismissed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT dismissals_pkey PRIMARY KEY (user_id, movie_id),
    CONSTRAINT dismissals_client_id_user_id_fkey FOREIGN KEY(client_id, user_id) REFERENCES users (client_id, user_id) ON DELETE CASCADE,
    CONSTRAINT dismissals_movie_id_fkey FOREIGN KEY(movie_id) REFERENCES movies (movie_id)
);

CREATE TABLE feedback (
    client_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    recommendation_id UUID NOT NULL,
    movie_id BIGINT NOT NULL,
    event TEXT NOT NULL,
    rating REAL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT feedback_pkey PRIMARY KEY (recommendation_id, movie_id, event),
    CONSTRAINT feedback_client_id_user_id_fkey FOREIGN KEY(client_id, user_id) REFERENCES users (client_id, user_id) ON DELETE CASCADE,
    CONSTRAINT feedback_rating_check CHECK (rating BETWEEN 0.5 AND 5),
    CONSTRAINT feedback_event_check CHECK (event IN ('shown', 'clicked', 'watched', 'rated', 'dismissed')),
    CONSTRAINT feedback_movie_id_fkey FOREIGN KEY(movie_id) REFERENCES movies (movie_id)
);
CREATE INDEX feedback_client_id_user_id_idx ON feedback (client_id, user_id);

CREATE TABLE idempotency_keys (
    client_id BIGINT NOT NULL,
    user_id BIGINT,
    key TEXT NOT NULL,
    request_digest BYTEA NOT NULL,
    response JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (client_id, key),
    CONSTRAINT idempotency_keys_client_id_user_id_fkey FOREIGN KEY(client_id, user_id) REFERENCES users (client_id, user_id) ON DELETE CASCADE,
    CONSTRAINT idempotency_keys_client_id_fkey FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_user_id_idx ON idempotency_keys (user_id);

CREATE TABLE movie_credits (
    movie_id BIGINT NOT NULL,
    person_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    CONSTRAINT movie_credits_pkey PRIMARY KEY (movie_id, person_id, role),
    CONSTRAINT movie_credits_movie_id_fkey FOREIGN KEY(movie_id) REFERENCES movies (movie_id) ON DELETE CASCADE,
    CONSTRAINT movie_credits_person_id_fkey FOREIGN KEY(person_id) REFERENCES people (person_id)
);
CREATE INDEX movie_credits_person_id_idx ON movie_credits (person_id);

CREATE TABLE movie_genres (
    movie_id BIGINT NOT NULL,
    genre_id SMALLINT NOT NULL,
    CONSTRAINT movie_genres_pkey PRIMARY KEY (movie_id, genre_id),
    CONSTRAINT movie_genres_movie_id_fkey FOREIGN KEY(movie_id) REFERENCES movies (movie_id) ON DELETE CASCADE,
    CONSTRAINT movie_genres_genre_id_fkey FOREIGN KEY(genre_id) REFERENCES genres (genre_id)
);

CREATE TABLE movie_sources (
    source TEXT NOT NULL,
    source_id TEXT NOT NULL,
    movie_id BIGINT NOT NULL,
    CONSTRAINT movie_sources_pkey PRIMARY KEY (source, source_id),
    CONSTRAINT movie_sources_movie_id_fkey FOREIGN KEY(movie_id) REFERENCES movies (movie_id) ON DELETE CASCADE
);
CREATE INDEX movie_sources_movie_id_idx ON movie_sources (movie_id);

CREATE TABLE movies_users_rating (
    client_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    movie_id BIGINT NOT NULL,
    rating REAL NOT NULL,
    implied BOOLEAN DEFAULT false NOT NULL,
    rated_at TIMESTAMP WITH TIME ZONE,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT movies_users_rating_pkey PRIMARY KEY (user_id, movie_id),
    CONSTRAINT movies_users_rating_client_id_user_id_fkey FOREIGN KEY(client_id, user_id) REFERENCES users (client_id, user_id) ON DELETE CASCADE,
    CONSTRAINT movies_users_rating_rating_check CHECK (rating BETWEEN 0.5 AND 5),
    CONSTRAINT movies_users_rating_movie_id_fkey FOREIGN KEY(movie_id) REFERENCES movies (movie_id)
);

CREATE TABLE recommendations (
    recommendation_id UUID NOT NULL,
    served_at TIMESTAMP WITH TIME ZONE NOT NULL,
    client_id BIGINT NOT NULL,
    user_id BIGINT,
    version TEXT,
    source TEXT NOT NULL,
    movie_ids BIGINT[] NOT NULL,
    CONSTRAINT recommendations_pkey PRIMARY KEY (recommendation_id, served_at),
    CONSTRAINT recommendations_client_id_user_id_fkey FOREIGN KEY(client_id, user_id) REFERENCES users (client_id, user_id) ON DELETE CASCADE,
    CONSTRAINT recommendations_source_check CHECK (source IN ('model', 'preferences', 'popular')),
    CONSTRAINT recommendations_client_id_fkey FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
) PARTITION BY RANGE (served_at);
CREATE INDEX recommendations_client_id_user_id_idx ON recommendations (client_id, user_id);

CREATE TABLE rejects (
    injection_id BIGINT NOT NULL,
    client_id BIGINT NOT NULL,
    external_id TEXT,
    file TEXT NOT NULL,
    line BIGINT NOT NULL,
    rule TEXT NOT NULL,
    row TEXT NOT NULL,
    CONSTRAINT rejects_pkey PRIMARY KEY (injection_id, file, line, rule),
    CONSTRAINT rejects_injection_id_fkey FOREIGN KEY(injection_id) REFERENCES injections (injection_id) ON DELETE CASCADE,
    CONSTRAINT rejects_client_id_fkey FOREIGN KEY(client_id) REFERENCES clients (client_id) ON DELETE CASCADE
);
CREATE INDEX rejects_client_id_external_id_idx ON rejects (client_id, external_id);
