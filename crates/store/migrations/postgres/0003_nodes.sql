-- Several nodes on one store: where each is reached and what it runs, which hosts are drained, who has which
-- duty, and whose process has a call or a web hook in hand.

ALTER TABLE node ADD COLUMN address TEXT COLLATE "C"; -- null: a node of an earlier release
ALTER TABLE node ADD COLUMN version TEXT COLLATE "C"; -- null: the same
ALTER TABLE node ADD COLUMN told    TEXT COLLATE "C"; -- what it tells the other nodes; null: nothing

-- Hosts whose nodes are given no jobs. A row outlives the nodes: a restart under the host stays drained.
CREATE TABLE drained_host (
    host     TEXT COLLATE "C" PRIMARY KEY,
    since_ms BIGINT NOT NULL
);

-- What one node of all does at a time. A row counts for as long as its node's lease lives.
CREATE TABLE duty (
    name TEXT COLLATE "C" PRIMARY KEY,
    node TEXT COLLATE "C" NOT NULL
);

ALTER TABLE api_record ADD COLUMN host   TEXT COLLATE "C"; -- whose process works on the call; null: of an earlier release
ALTER TABLE web_hook   ADD COLUMN holder TEXT COLLATE "C"; -- the host whose process took it last; null: nobody's
