-- Web hooks of asynchronous calls, written with the api_record of the same id. A row is there until its answer
-- was told or is told no more, so what has a row is still to be told.
CREATE TABLE web_hook (
    id           TEXT PRIMARY KEY,
    url          TEXT NOT NULL,
    wants_schema INTEGER NOT NULL,
    tries        INTEGER NOT NULL, -- begun so far
    due_ms       INTEGER NOT NULL  -- next try, ms since 1970, once the call has its answer
) WITHOUT ROWID;
CREATE INDEX web_hook_due ON web_hook (due_ms);
