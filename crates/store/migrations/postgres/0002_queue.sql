-- What is claimed when: terms of jobs, and in what order and under which limits the queue gives them.
-- The limits in force are JSON in meta, key `limits`.

ALTER TABLE job_body ADD COLUMN terms TEXT COLLATE "C"; -- JSON of Terms; null for the default ones
ALTER TABLE job ADD COLUMN retried BIGINT NOT NULL DEFAULT 0;

ALTER TABLE job_run ADD COLUMN host TEXT COLLATE "C" NOT NULL DEFAULT ''; -- only its nodes may claim it; empty: any
ALTER TABLE job_run ADD COLUMN rank BIGINT NOT NULL DEFAULT 0;            -- the smaller first: 0 has begun, 1 to 10 waits
ALTER TABLE job_run ADD COLUMN lane TEXT COLLATE "C" NOT NULL DEFAULT ''; -- what its limits count by; empty: it has none
ALTER TABLE job_run ADD COLUMN gate TEXT COLLATE "C" NOT NULL DEFAULT ''; -- its lane, while it needs room to be claimed
ALTER TABLE job_run ADD COLUMN counted BIGINT NOT NULL DEFAULT 0;         -- from its claim until it is suspended
ALTER TABLE job_run ADD COLUMN hold BIGINT NOT NULL DEFAULT 0;            -- somebody holds it, or wants it to stop
ALTER TABLE job_run ADD COLUMN not_before_ms BIGINT;
ALTER TABLE job_run ADD COLUMN deadline_ms BIGINT;                        -- of a waiting job

UPDATE job_run SET rank = 5 WHERE job IN (SELECT id FROM job WHERE state = 'Waiting');
UPDATE job_run SET counted = 1 WHERE job IN (SELECT id FROM job WHERE state IN ('Running', 'Canceling'));

DROP INDEX job_run_ready;
CREATE INDEX job_run_next ON job_run (class, host, gate, rank, place) WHERE node IS NULL AND ready_at_ms = 0;
CREATE INDEX job_run_counted ON job_run (lane) WHERE counted = 1 AND lane <> '';
CREATE INDEX job_run_hold ON job_run (node) WHERE hold = 1 AND node IS NOT NULL;
CREATE INDEX job_run_deadline ON job_run (deadline_ms) WHERE deadline_ms IS NOT NULL;
