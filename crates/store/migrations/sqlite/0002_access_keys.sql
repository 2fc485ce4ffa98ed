-- Access keys: what signs requests in the place of a session.

CREATE TABLE access_key (
    uuid          TEXT PRIMARY KEY,
    account       TEXT NOT NULL,
    description   TEXT COLLATE NOCASE,
    access_id     TEXT NOT NULL,  -- what a signed request names it by
    sealed_secret BLOB NOT NULL,  -- encrypted; the store has no key to it
    state         TEXT NOT NULL,  -- Enabled or Disabled
    create_ms     INTEGER NOT NULL,
    last_op_ms    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX access_key_access_id ON access_key (access_id);
CREATE INDEX access_key_account ON access_key (account);
