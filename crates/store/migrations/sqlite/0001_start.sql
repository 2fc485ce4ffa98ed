-- The first schema. Never edited once merged: add a file, and its line to migrations.lock.
--
-- `job` is narrow, is written about three times in a life (submitted, started, ended) and carries the indexes
-- of the queries. What is fat lies in `job_body`. `job_run` has a row per job that is not final, without
-- search indexes; its `place` is the order in which jobs are claimed.
-- Moments are ms since 1970. Texts for people compare without regard to ASCII case (NOCASE).

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

CREATE TABLE node (
    uuid         TEXT PRIMARY KEY,
    host         TEXT NOT NULL,
    host_name    TEXT NOT NULL COLLATE NOCASE,
    join_ms      INTEGER NOT NULL,
    heartbeat_ms INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE job (
    id          INTEGER PRIMARY KEY,
    uuid        TEXT NOT NULL,
    account     TEXT NOT NULL,
    name        TEXT NOT NULL COLLATE NOCASE,
    api_id      TEXT NOT NULL,
    job_name    TEXT NOT NULL,
    state       TEXT NOT NULL,
    suspend     INTEGER,
    retry_at_ms INTEGER,
    target      TEXT,
    node        TEXT,
    create_ms   INTEGER NOT NULL,
    last_op_ms  INTEGER NOT NULL,
    started_ms  INTEGER,
    execute_s   INTEGER,
    version     INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    token       INTEGER NOT NULL,
    class       INTEGER NOT NULL,
    ordered     INTEGER NOT NULL
);
CREATE UNIQUE INDEX job_uuid ON job (uuid);
CREATE INDEX job_api ON job (api_id);
CREATE INDEX job_create ON job (create_ms, uuid);
CREATE INDEX job_state ON job (state, create_ms, uuid);
CREATE INDEX job_type ON job (job_name, create_ms, uuid);
CREATE INDEX job_by_name ON job (name, create_ms, uuid);
CREATE INDEX job_target ON job (target, create_ms, uuid, account) WHERE target IS NOT NULL;
CREATE INDEX job_account_create ON job (account, create_ms, uuid);
CREATE INDEX job_account_state ON job (account, state, create_ms, uuid);
CREATE INDEX job_account_type ON job (account, job_name, create_ms, uuid);
CREATE INDEX job_account_name ON job (account, name, create_ms, uuid);

CREATE TABLE job_body (
    job          INTEGER PRIMARY KEY,
    request_hash BLOB NOT NULL,
    description  TEXT COLLATE NOCASE,
    job_data     TEXT NOT NULL COLLATE NOCASE,
    job_result   TEXT COLLATE NOCASE,
    sealed_data  BLOB
);

CREATE TABLE job_run (
    place       INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL,
    class       INTEGER NOT NULL,
    target      TEXT,                       -- of ordered jobs only
    node        TEXT,                       -- the holder
    orphaned    INTEGER NOT NULL DEFAULT 0, -- the last holder's lease ended under it
    canceling   INTEGER NOT NULL DEFAULT 0,
    ready_at_ms INTEGER                     -- claimable: 0 now, later from then on, null when something happens
);
CREATE UNIQUE INDEX job_run_job ON job_run (job);
CREATE INDEX job_run_ready ON job_run (class, place) WHERE node IS NULL AND ready_at_ms = 0;
CREATE INDEX job_run_later ON job_run (ready_at_ms) WHERE ready_at_ms > 0;
CREATE INDEX job_run_node ON job_run (node) WHERE node IS NOT NULL;
CREATE INDEX job_run_canceling ON job_run (node) WHERE canceling = 1;
CREATE INDEX job_run_target ON job_run (target, place) WHERE target IS NOT NULL;

-- How many jobs there are; kept in the transaction that changes them.
CREATE TABLE job_count (
    account  TEXT NOT NULL,
    job_name TEXT NOT NULL,
    state    TEXT NOT NULL,
    n        INTEGER NOT NULL,
    PRIMARY KEY (account, job_name, state)
) WITHOUT ROWID;

CREATE TABLE timeline (
    job     INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    kind    INTEGER NOT NULL, -- position in TimelineKind::ALL
    actor   BLOB NOT NULL,    -- 0 account or 1 node, then the 16 bytes of its uuid
    attempt INTEGER NOT NULL,
    token   INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) WITHOUT ROWID;

CREATE TABLE checkpoint (
    id    INTEGER PRIMARY KEY,
    job   INTEGER NOT NULL,
    page  INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX checkpoint_page ON checkpoint (job, page);

CREATE TABLE progress (
    job         INTEGER PRIMARY KEY,
    token       INTEGER NOT NULL,
    percent     INTEGER NOT NULL,
    stage       TEXT NOT NULL,
    bytes_done  INTEGER NOT NULL,
    bytes_total INTEGER NOT NULL,
    rate        INTEGER NOT NULL,
    eta_s       INTEGER,
    stalled     INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL
);

CREATE TABLE progress_history (
    job         INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    percent     INTEGER NOT NULL,
    stage       TEXT NOT NULL,
    bytes_done  INTEGER NOT NULL,
    bytes_total INTEGER NOT NULL,
    rate        INTEGER NOT NULL,
    eta_s       INTEGER,
    stalled     INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (job, attempt, n)
) WITHOUT ROWID;

CREATE TABLE tag (
    id            INTEGER PRIMARY KEY,
    uuid          TEXT NOT NULL,
    resource_uuid TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    system        INTEGER NOT NULL,
    text          TEXT NOT NULL,
    create_ms     INTEGER NOT NULL
);
CREATE UNIQUE INDEX tag_uuid ON tag (uuid);
CREATE INDEX tag_resource ON tag (resource_uuid);
CREATE INDEX tag_text ON tag (system, text, resource_uuid);

CREATE TABLE account (
    uuid          TEXT PRIMARY KEY,
    name          TEXT NOT NULL COLLATE NOCASE,
    description   TEXT COLLATE NOCASE,
    admin         INTEGER NOT NULL,
    password_hash TEXT NOT NULL,
    create_ms     INTEGER NOT NULL,
    last_op_ms    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX account_name ON account (name COLLATE BINARY);

-- Deleted accounts: their uuids are never used again, and what they owned belongs to nobody.
CREATE TABLE retired_account (
    uuid TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE session (
    hash       BLOB PRIMARY KEY, -- SHA-256 of the id
    account    TEXT NOT NULL,
    create_ms  INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_account ON session (account);

CREATE TABLE storage (
    uuid            TEXT PRIMARY KEY,
    name            TEXT NOT NULL COLLATE NOCASE,
    description     TEXT COLLATE NOCASE,
    kind            TEXT NOT NULL,
    url             TEXT NOT NULL,
    host            TEXT,
    state           TEXT NOT NULL,
    status          TEXT NOT NULL,
    total_bytes     INTEGER NOT NULL,
    available_bytes INTEGER NOT NULL,
    create_ms       INTEGER NOT NULL,
    last_op_ms      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX storage_url ON storage (url, ifnull(host, ''));

CREATE TABLE volume (
    uuid         TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    name         TEXT NOT NULL COLLATE NOCASE,
    description  TEXT COLLATE NOCASE,
    storage      TEXT,
    install_path TEXT,
    kind         TEXT NOT NULL,
    format       TEXT,
    size         INTEGER NOT NULL,
    actual_size  INTEGER,
    state        TEXT NOT NULL,
    status       TEXT NOT NULL,
    deleted_ms   INTEGER,
    create_ms    INTEGER NOT NULL,
    last_op_ms   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX volume_path ON volume (storage, install_path)
    WHERE storage IS NOT NULL AND install_path IS NOT NULL;
CREATE INDEX volume_account ON volume (account);

-- Numbers of trash and intents are given to the outside, so they are never used again.
CREATE TABLE trash (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    storage       TEXT NOT NULL,
    resource_uuid TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    install_path  TEXT NOT NULL,
    size          INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    create_ms     INTEGER NOT NULL
);
CREATE INDEX trash_storage ON trash (storage);

CREATE TABLE intent (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    job       TEXT NOT NULL, -- the uuid: what an intent tells of may outlive its job
    token     INTEGER NOT NULL,
    kind      TEXT NOT NULL, -- JSON of IntentKind
    storage   TEXT,
    create_ms INTEGER NOT NULL
);
CREATE INDEX intent_job ON intent (job);
CREATE INDEX intent_storage ON intent (storage) WHERE storage IS NOT NULL;

CREATE TABLE api_record (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    outcome    TEXT -- JSON of ApiOutcome; null while it is worked on
) WITHOUT ROWID;
CREATE INDEX api_record_open ON api_record (id) WHERE outcome IS NULL;
CREATE INDEX api_record_expires ON api_record (expires_ms) WHERE outcome IS NOT NULL;

-- What the planner is to believe of the indexes, for a store of a million jobs: no ANALYZE is ever run, so
-- plans do not change under a running server.
ANALYZE sqlite_schema;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('job', 'job_uuid', '1000000 1'),
    ('job', 'job_api', '1000000 1'),
    ('job', 'job_create', '1000000 10 1'),
    ('job', 'job_state', '1000000 200000 10 1'),
    ('job', 'job_type', '1000000 100000 10 1'),
    ('job', 'job_by_name', '1000000 1000 10 1'),
    ('job', 'job_target', '1000000 20 1 1 1'),
    ('job', 'job_account_create', '1000000 100000 10 1'),
    ('job', 'job_account_state', '1000000 100000 20000 10 1'),
    ('job', 'job_account_type', '1000000 100000 10000 10 1'),
    ('job', 'job_account_name', '1000000 100000 100 10 1'),
    ('job_run', 'job_run_job', '10000 1'),
    ('job_run', 'job_run_ready', '10000 5000 1'),
    ('job_run', 'job_run_later', '10000 1'),
    ('job_run', 'job_run_node', '10000 100'),
    ('job_run', 'job_run_canceling', '10000 10'),
    ('job_run', 'job_run_target', '10000 2 1'),
    ('tag', 'tag_uuid', '1000000 1'),
    ('tag', 'tag_resource', '1000000 2'),
    ('tag', 'tag_text', '1000000 500000 100 1');
