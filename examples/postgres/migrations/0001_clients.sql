-- Ids and labels are compared byte for byte (RFC 6749 §2.2), whatever the collation of the database.
CREATE TABLE clients (
    client_id text COLLATE "C" PRIMARY KEY CHECK (octet_length(client_id) BETWEEN 1 AND 255),
    auth_method text NOT NULL CHECK (auth_method IN ('none', 'client_secret_basic', 'client_secret_post')),
    name text NOT NULL
);

-- Digests only. Who reads this table cannot authenticate with it.
CREATE TABLE client_secrets (
    client_id text COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    label text COLLATE "C" NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    expires_at bigint CHECK (expires_at > 0), -- Unix seconds; NULL is never
    PRIMARY KEY (client_id, label)
);

CREATE TABLE access_tokens (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    client_id text COLLATE "C" NOT NULL REFERENCES clients ON DELETE CASCADE,
    expires_at bigint NOT NULL
);
CREATE INDEX ON access_tokens (expires_at);

-- Tells the replicas which client they must not remember any longer. It is sent with the commit.
CREATE FUNCTION tell_of_client() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('clients', coalesce(NEW.client_id, OLD.client_id));
    RETURN NULL;
END $$;

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON clients
    FOR EACH ROW EXECUTE FUNCTION tell_of_client();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON client_secrets
    FOR EACH ROW EXECUTE FUNCTION tell_of_client();
