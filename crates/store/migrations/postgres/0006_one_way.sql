-- The states of jobs, kept as before, by a plan that has one order only: from what was changed to its row. With
-- `s.job = c.id` it could also read job_state along its index from the start, which is what a session planned while
-- there were a few jobs, and kept doing with a hundred thousand, at each claim and each end.

CREATE OR REPLACE FUNCTION job_state_follows() RETURNS TRIGGER LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO job_state (job, uuid, account, create_ms, state)
            SELECT id, uuid, account, create_ms, state FROM changed;
    ELSIF TG_OP = 'UPDATE' THEN
        UPDATE job_state AS s SET state = c.state, create_ms = c.create_ms FROM changed AS c
            WHERE s.job = ANY (ARRAY[c.id]) AND (s.state <> c.state OR s.create_ms <> c.create_ms);
    ELSE
        DELETE FROM job_state AS s USING changed AS c WHERE s.job = ANY (ARRAY[c.id]);
    END IF;
    RETURN NULL;
END
$$;
