-- Smaller samples of the tables that grow with every job. Autovacuum looks at 300 rows for each unit of the largest
-- statistics target of a table, 30,000 by default, whenever a tenth of the rows has changed: on a busy store once a minute,
-- which beside a drain of a million jobs took nine seconds. Statements of nodes have one order whatever is found, and
-- queries need to know only what is common. A column that is added to one of these tables gets the same target.

DO $$
DECLARE
    c RECORD;
BEGIN
    FOR c IN SELECT r.relname, a.attname FROM pg_class AS r
            JOIN pg_namespace AS s ON s.oid = r.relnamespace AND s.nspname = current_schema()
            JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE r.relkind = 'r' AND r.relname IN ('job', 'job_state', 'job_body', 'job_run', 'timeline')
            ORDER BY r.relname, a.attnum LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STATISTICS 20', c.relname, c.attname);
    END LOOP;
END
$$;

-- What an index computes has a target of its own.
ALTER INDEX job_by_name ALTER COLUMN 1 SET STATISTICS 20;
ALTER INDEX job_account_name ALTER COLUMN 2 SET STATISTICS 20;
