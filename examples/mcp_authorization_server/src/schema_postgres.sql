-- As schema.sql. Programs that start at the same time do this one after the other.
SELECT pg_advisory_xact_lock(749203);

-- Times are seconds since the Unix epoch.

CREATE TABLE IF NOT EXISTS clients (
    client_id TEXT PRIMARY KEY,
    auth_method TEXT NOT NULL,
    -- The secret itself is shown once, in the answer to the registration.
    secret_sha256 BYTEA,
    secret_expires_at BIGINT NOT NULL,
    metadata TEXT NOT NULL,
    -- When it registered, or got its last tokens, give or take a day.
    used_at BIGINT NOT NULL
);

-- One consent, or one token that a client got for itself. Whatever was issued for it goes with it.
-- Its client may be known by a document instead of a row, and then many users share the id.
CREATE TABLE IF NOT EXISTS grants (
    grant_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    -- Of the code, if there is one.
    redirect_uri TEXT,
    code_sha256 BYTEA UNIQUE,
    code_challenge TEXT,
    code_expires_at BIGINT NOT NULL DEFAULT 0,
    redeemed BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS grants_of_client ON grants (client_id);

CREATE TABLE IF NOT EXISTS tokens (
    token_sha256 BYTEA PRIMARY KEY,
    grant_id BIGINT NOT NULL REFERENCES grants ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    -- Of an access token it may be less than what was granted.
    scope TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX IF NOT EXISTS tokens_of_grant ON tokens (grant_id);

-- Metadata documents of clients that a user has let in, by the digest of their URL; empty, if withdrawn.
CREATE TABLE IF NOT EXISTS documents (
    url_sha256 BYTEA PRIMARY KEY,
    document BYTEA NOT NULL,
    fetched_at BIGINT NOT NULL,
    -- In seconds, if the origin said it.
    max_age BIGINT,
    leaked_keys BYTEA NOT NULL
);

-- By the digest of client and jti.
CREATE TABLE IF NOT EXISTS used_assertions (
    pair_sha256 BYTEA PRIMARY KEY,
    until BIGINT NOT NULL
);
