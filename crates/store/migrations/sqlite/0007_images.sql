-- Backup storages, and the images on them.

CREATE TABLE backup_storage (
    uuid            TEXT PRIMARY KEY,
    name            TEXT NOT NULL COLLATE NOCASE,
    description     TEXT COLLATE NOCASE,
    kind            TEXT NOT NULL,
    url             TEXT NOT NULL,
    pool            TEXT, -- JSON of CephPool; null for directories
    host            TEXT,
    host_name       TEXT COLLATE NOCASE,
    username        TEXT,
    ssh_port        INTEGER,
    state           TEXT NOT NULL,
    status          TEXT NOT NULL,
    total_bytes     INTEGER NOT NULL,
    available_bytes INTEGER NOT NULL,
    create_ms       INTEGER NOT NULL,
    last_op_ms      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX backup_storage_url ON backup_storage (url, ifnull(host, ''));

CREATE TABLE image (
    uuid          TEXT PRIMARY KEY,
    account       TEXT NOT NULL,
    name          TEXT NOT NULL COLLATE NOCASE,
    description   TEXT COLLATE NOCASE,
    state         TEXT NOT NULL,
    status        TEXT NOT NULL,
    size          INTEGER NOT NULL,
    actual_size   INTEGER NOT NULL,
    md5           TEXT,
    blake3        TEXT,
    url           TEXT,
    media_type    TEXT NOT NULL,
    guest_os_type TEXT COLLATE NOCASE,
    platform      TEXT,
    architecture  TEXT,
    format        TEXT NOT NULL,
    system        INTEGER NOT NULL,
    virtio        INTEGER NOT NULL,
    deleted_ms    INTEGER,
    create_ms     INTEGER NOT NULL,
    last_op_ms    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_account ON image (account);
CREATE INDEX image_content ON image (blake3) WHERE blake3 IS NOT NULL;

CREATE TABLE image_ref (
    image          TEXT NOT NULL,
    backup_storage TEXT NOT NULL,
    install_path   TEXT NOT NULL, -- empty until it is known
    status         TEXT NOT NULL,
    export_url     TEXT,
    export_md5     TEXT,
    create_ms      INTEGER NOT NULL,
    last_op_ms     INTEGER NOT NULL,
    PRIMARY KEY (image, backup_storage)
) WITHOUT ROWID;
CREATE INDEX image_ref_place ON image_ref (backup_storage);
