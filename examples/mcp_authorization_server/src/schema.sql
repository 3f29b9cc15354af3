CREATE TABLE IF NOT EXISTS clients (
    client_id TEXT PRIMARY KEY,
    auth_method TEXT NOT NULL,
    -- The secret itself is shown once, in the answer to the registration.
    secret_sha256 BLOB,
    secret_expires_at INTEGER NOT NULL,
    metadata TEXT NOT NULL
) STRICT;

-- One consent. Whatever was issued for it goes with it.
CREATE TABLE IF NOT EXISTS grants (
    grant_id INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients ON DELETE CASCADE,
    scope TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_sha256 BLOB NOT NULL UNIQUE,
    code_challenge TEXT NOT NULL,
    code_expires_at INTEGER NOT NULL,
    redeemed INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS tokens (
    token_sha256 BLOB PRIMARY KEY,
    grant_id INTEGER NOT NULL REFERENCES grants ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    expires_at INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX IF NOT EXISTS tokens_of_grant ON tokens (grant_id);
