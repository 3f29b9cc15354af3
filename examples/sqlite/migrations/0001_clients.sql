-- SQLite compares text byte for byte, as RFC 6749 §2.2 has it, unless a collation says otherwise.
CREATE TABLE clients (
    client_id TEXT PRIMARY KEY NOT NULL CHECK (length(client_id) BETWEEN 1 AND 255),
    auth_method TEXT NOT NULL CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post')),
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A digest, or the slow hash that the system before this one kept.
CREATE TABLE client_secrets (
    client_id TEXT NOT NULL REFERENCES clients ON DELETE CASCADE,
    label TEXT NOT NULL,
    sha256 BLOB CHECK (length(sha256) = 32),
    phc TEXT,
    expires_at INTEGER CHECK (expires_at > 0), -- Unix seconds; NULL is never
    PRIMARY KEY (client_id, label),
    CHECK ((sha256 IS NULL) <> (phc IS NULL))
) STRICT, WITHOUT ROWID;
