//! What holds between the rows of a sound store, as SQL that SQLite and PostgreSQL both know. Each statement
//! answers the rows that break its rule, as one column of text. No database enforces these: a reference that is
//! checked at every write costs more than one writer that is right.

/// A rule, and how to see where it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    /// What holds, as a sentence.
    pub holds: &'static str,
    /// What breaks it: one text for each.
    pub broken: &'static str,
    /// What a reader can do where it is broken.
    pub remedy: Remedy,
}

/// What a reader can do about a store that is not sound, which is not the same with each database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// In a file of SQLite.
    pub sqlite: &'static str,
    /// In a database of PostgreSQL.
    pub postgres: &'static str,
}

/// Where nothing derived can be made anew.
const RESTORE: Remedy = Remedy {
    sqlite: "restore the newest backup that `longhaul store check --file` finds sound, and report this",
    postgres: "stop every node, restore the newest dump that `longhaul store check --store` finds sound into another \
               database (docs/operating.md), start the nodes on that, and report this",
};

/// The same with both.
pub(crate) const fn either(what: &'static str) -> Remedy {
    Remedy { sqlite: what, postgres: what }
}

/// All rules, those of jobs first.
pub const RELATIONS: [Relation; 14] = [
    Relation {
        holds: "every job is in a state that there is",
        broken: "SELECT uuid || ' is ' || state FROM job WHERE state NOT IN
            ('Waiting', 'Suspended', 'Running', 'Succeeded', 'Canceling', 'Canceled', 'Failed')",
        remedy: RESTORE,
    },
    Relation {
        holds: "every job has its request",
        broken: "SELECT j.uuid || ' has no row in job_body' FROM job AS j
            WHERE NOT EXISTS (SELECT 1 FROM job_body AS b WHERE b.job = j.id)",
        remedy: RESTORE,
    },
    Relation {
        holds: "what belongs to a job has a job",
        broken: "SELECT x.kind || ' of job number ' || x.job FROM (
                SELECT 'job_body' AS kind, job FROM job_body
                UNION SELECT 'job_run', job FROM job_run
                UNION SELECT 'timeline', job FROM timeline
                UNION SELECT 'checkpoint', job FROM checkpoint
                UNION SELECT 'progress', job FROM progress
                UNION SELECT 'progress_history', job FROM progress_history) AS x
            WHERE NOT EXISTS (SELECT 1 FROM job AS j WHERE j.id = x.job)",
        remedy: either("such rows are read by nobody and may stay; report this"),
    },
    Relation {
        holds: "a job that is not final has its place in the queue, a final one has none",
        broken: "SELECT j.uuid || ' is ' || j.state || CASE WHEN r.job IS NULL
                THEN ' and has no place in the queue' ELSE ' and has a place in the queue' END
            FROM job AS j LEFT JOIN job_run AS r ON r.job = j.id
            WHERE (r.job IS NULL) = (j.state NOT IN ('Succeeded', 'Canceled', 'Failed'))",
        remedy: either("a job without a place never runs: cancel or delete it and submit it again; report this"),
    },
    Relation {
        holds: "the queue says what its jobs say",
        broken: "SELECT j.uuid || ' differs between job and job_run' FROM job_run AS r
            JOIN job AS j ON j.id = r.job
            WHERE j.class <> r.class
                OR (CASE WHEN j.ordered = 1 THEN j.target END) IS DISTINCT FROM r.target
                OR (CASE WHEN j.state = 'Canceling' THEN 1 ELSE 0 END) <> r.canceling
                OR (r.node IS NOT NULL AND j.node IS DISTINCT FROM r.node)
                OR (r.node IS NOT NULL AND j.state NOT IN ('Running', 'Canceling'))",
        remedy: RESTORE,
    },
    Relation {
        holds: "a job that is held is held by a node",
        broken: "SELECT j.uuid || ' is held by ' || r.node || ', which is no node' FROM job_run AS r
            JOIN job AS j ON j.id = r.job
            WHERE r.node IS NOT NULL AND NOT EXISTS (SELECT 1 FROM node AS n WHERE n.uuid = r.node)",
        remedy: RESTORE,
    },
    Relation {
        holds: "one job at a time runs on a target",
        broken: "SELECT r.target || ' has ' || count(*) || ' jobs running' FROM job_run AS r
            JOIN job AS j ON j.id = r.job WHERE r.target IS NOT NULL AND j.state = 'Running'
            GROUP BY r.target HAVING count(*) > 1",
        remedy: either("cancel all but one of them, look at the target, and report this"),
    },
    Relation {
        holds: "the timeline of every job is without gaps",
        broken: "SELECT j.uuid || CASE WHEN t.job IS NULL THEN ' has no timeline'
                ELSE ' has ' || t.n || ' rows numbered ' || t.least || ' to ' || t.most END
            FROM job AS j LEFT JOIN (SELECT job, count(*) AS n, min(seq) AS least, max(seq) AS most
                FROM timeline GROUP BY job) AS t ON t.job = j.id
            WHERE t.job IS NULL OR t.least <> 1 OR t.most <> t.n",
        remedy: RESTORE,
    },
    Relation {
        holds: "tokens only grow, and none is newer than its job's",
        broken: "SELECT j.uuid || ' has token ' || t.token || ' in row ' || t.seq || ' of its timeline, '
                || t.former || ' before it, ' || j.token || ' itself'
            FROM (SELECT job, seq, token, coalesce(lag(token) OVER (PARTITION BY job ORDER BY seq), 0) AS former
                FROM timeline) AS t
            JOIN job AS j ON j.id = t.job WHERE t.token < t.former OR t.token > j.token",
        remedy: RESTORE,
    },
    Relation {
        holds: "a final job has no checkpoint",
        broken: "SELECT DISTINCT j.uuid || ' is ' || j.state || ' and has a checkpoint' FROM checkpoint AS c
            JOIN job AS j ON j.id = c.job WHERE j.state IN ('Succeeded', 'Canceled', 'Failed')",
        remedy: either("nothing reads it; report this"),
    },
    Relation {
        holds: "the counts are those of the jobs",
        broken: "SELECT y.account || ' ' || y.job_name || ' ' || y.state || ': ' || y.counted || ' counted, '
                || y.there || ' there'
            FROM (SELECT account, job_name, state, sum(counted) AS counted, sum(there) AS there FROM (
                    SELECT account, job_name, state, n AS counted, 0 AS there FROM job_count
                    UNION ALL SELECT account, job_name, state, 0, 1 FROM job) AS x
                GROUP BY account, job_name, state) AS y
            WHERE y.counted <> y.there",
        remedy: Remedy {
            sqlite: "only `total` in answers to queries is wrong; `longhaul store copy` counts anew; report this",
            postgres: "only `total` in answers to queries is wrong; make the counts anew, with every node stopped and in one \
                       transaction: DELETE FROM job_count; INSERT INTO job_count (account, job_name, state, n) SELECT account, \
                       job_name, state, count(*) FROM job GROUP BY account, job_name, state; and report this",
        },
    },
    Relation {
        holds: "everything has an owner that is there or was deleted",
        broken: "SELECT x.kind || ' ' || x.name || ' belongs to ' || x.account FROM (
                SELECT 'job' AS kind, uuid AS name, account FROM job
                UNION ALL SELECT 'volume', uuid, account FROM volume
                UNION ALL SELECT 'image', uuid, account FROM image
                UNION ALL SELECT 'access key', uuid, account FROM access_key
                UNION ALL SELECT 'a session', '', account FROM session) AS x
            WHERE NOT EXISTS (SELECT 1 FROM account AS a WHERE a.uuid = x.account)
                AND (x.kind IN ('access key', 'a session')
                    OR NOT EXISTS (SELECT 1 FROM retired_account AS a WHERE a.uuid = x.account))",
        remedy: either("an admin still sees and deletes what has no owner; report this"),
    },
    Relation {
        holds: "what lies on a storage lies on one that there is",
        broken: "SELECT x.kind || ' ' || x.name || ' lies on ' || x.storage FROM (
                SELECT 'volume' AS kind, uuid AS name, storage FROM volume WHERE storage IS NOT NULL
                UNION ALL SELECT 'image', image, backup_storage FROM image_ref
                UNION ALL SELECT 'trash', install_path, storage FROM trash) AS x
            WHERE NOT EXISTS (SELECT 1 FROM storage AS s WHERE s.uuid = x.storage)
                AND NOT EXISTS (SELECT 1 FROM backup_storage AS b WHERE b.uuid = x.storage)
            UNION ALL SELECT 'a copy of image ' || r.image || ', which is not there' FROM image_ref AS r
            WHERE NOT EXISTS (SELECT 1 FROM image AS i WHERE i.uuid = r.image)",
        remedy: either("register the storage again under its uuid, or delete what lies there; report this"),
    },
    Relation {
        holds: "tags are of something, and every web hook of a call",
        broken: "SELECT 'tag ' || t.uuid || ' of ' || t.resource_type || ' ' || t.resource_uuid FROM tag AS t
            WHERE NOT EXISTS (SELECT 1 FROM job WHERE uuid = t.resource_uuid)
                AND NOT EXISTS (SELECT 1 FROM volume WHERE uuid = t.resource_uuid)
                AND NOT EXISTS (SELECT 1 FROM storage WHERE uuid = t.resource_uuid)
                AND NOT EXISTS (SELECT 1 FROM backup_storage WHERE uuid = t.resource_uuid)
                AND NOT EXISTS (SELECT 1 FROM image WHERE uuid = t.resource_uuid)
            UNION ALL SELECT 'web hook of call ' || h.id FROM web_hook AS h
            WHERE NOT EXISTS (SELECT 1 FROM api_record AS r WHERE r.id = h.id)",
        remedy: either("delete the tag by its uuid; a web hook of no call is called by nobody; report this"),
    },
];
