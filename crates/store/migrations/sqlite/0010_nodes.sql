-- Several nodes on one store: where each is reached and what it runs, which hosts are drained, who has which
-- duty, and whose process has a call or a web hook in hand.

ALTER TABLE node ADD COLUMN address TEXT; -- null: a node of an earlier release
ALTER TABLE node ADD COLUMN version TEXT; -- null: the same
ALTER TABLE node ADD COLUMN told    TEXT; -- what it tells the other nodes; null: nothing

-- Hosts whose nodes are given no jobs. A row outlives the nodes: a restart under the host stays drained.
CREATE TABLE drained_host (
    host     TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- What one node of all does at a time. A row counts for as long as its node's lease lives.
CREATE TABLE duty (
    name TEXT PRIMARY KEY,
    node TEXT NOT NULL
) WITHOUT ROWID;

ALTER TABLE api_record ADD COLUMN host   TEXT; -- whose process works on the call; null: of an earlier release
ALTER TABLE web_hook   ADD COLUMN holder TEXT; -- the host whose process took it last; null: nobody's
