-- Tags as resources of their own, and the values of global configurations that differ from the settings.

ALTER TABLE tag ADD COLUMN last_op_ms INTEGER; -- null: not changed since create_ms
CREATE INDEX tag_create ON tag (system, create_ms, uuid);

CREATE TABLE global_config (
    category TEXT NOT NULL,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (category, name)
) WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('tag', 'tag_create', '1000000 500000 10 1');
