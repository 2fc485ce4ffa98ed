-- The states of jobs in a table of their own. A row version of PostgreSQL gets entries in all indexes of its table when
-- one indexed column differs from the version before, and each claim and each end changes the state: of the twelve
-- indexes of job, that is most of what a job costs. Without state in an index of job, its versions stay on their page,
-- without any entry, as long as the page has room. What follows is kept by triggers, so that nodes of the release before
-- work beside this.

DROP INDEX job_state;
DROP INDEX job_account_state;

CREATE TABLE job_state (
    job       BIGINT PRIMARY KEY, -- its id
    uuid      TEXT COLLATE "C" NOT NULL,
    account   TEXT COLLATE "C" NOT NULL,
    create_ms BIGINT NOT NULL,
    state     TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 85);

INSERT INTO job_state (job, uuid, account, create_ms, state) SELECT id, uuid, account, create_ms, state FROM job;

CREATE INDEX job_state_create ON job_state (state, create_ms, uuid, job);
CREATE INDEX job_state_account ON job_state (account, state, create_ms, uuid, job);

-- A statement at a time. A plan is kept for a session: one that was made while there were few jobs must not read all of
-- them later, so it goes by indexes alone.
CREATE FUNCTION job_state_follows() RETURNS TRIGGER LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO job_state (job, uuid, account, create_ms, state)
            SELECT id, uuid, account, create_ms, state FROM changed;
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE job_state AS s SET state = c.state, create_ms = c.create_ms FROM changed AS c
            WHERE s.job = c.id AND (s.state <> c.state OR s.create_ms <> c.create_ms);
    ELSE
        DELETE FROM job_state AS s USING changed AS c WHERE s.job = c.id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER job_state_insert AFTER INSERT ON job REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION job_state_follows();
CREATE TRIGGER job_state_update AFTER UPDATE ON job REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION job_state_follows();
CREATE TRIGGER job_state_delete AFTER DELETE ON job REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION job_state_follows();

-- Room for the versions of rows that are written twice.
ALTER TABLE job SET (fillfactor = 50);
ALTER TABLE job_body SET (fillfactor = 85);

ANALYZE job_state;
