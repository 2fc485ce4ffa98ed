//! The rows of the table: what each figure is, its unit, and what is aimed at. Aims are published, not
//! enforced.

/// What is aimed at.
#[derive(Debug, Clone, Copy)]
pub enum Aim {
    /// This much or more.
    Least(f64),
    /// This much or less.
    Most(f64),
    /// At most this, or at most the median of that other row.
    MostOr(f64, &'static str),
}

/// One row.
pub struct Spec {
    /// Its key in the JSON.
    pub id: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Its aim, if it has one.
    pub aim: Option<Aim>,
}

const fn row(id: &'static str, what: &'static str, unit: &'static str) -> Spec {
    Spec { id, what, unit, aim: None }
}

const fn aimed(id: &'static str, what: &'static str, unit: &'static str, aim: Aim) -> Spec {
    Spec { id, what, unit, aim: Some(aim) }
}

/// All rows of a server on SQLite but those of queries, in the order of the table.
pub const SQLITE_ROWS: &[Spec] = &[
    row("floor.sync.p50", "floor: 4 KiB append + fdatasync, p50", "ms"),
    row("floor.sync.p99", "floor: 4 KiB append + fdatasync, p99", "ms"),
    row("submit.1", "durable submits, 1 connection", "jobs/s"),
    row("submit.16", "durable submits, 16 connections", "jobs/s"),
    row("submit.16.batch", "… jobs per commit", "jobs"),
    row("submit.16.cpu", "… server processor time per job", "µs"),
    aimed("submit.64", "durable submits, 64 connections", "jobs/s", Aim::Least(8000.0)),
    row("submit.64.batch", "… jobs per commit", "jobs"),
    row("submit.64.cpu", "… server processor time per job", "µs"),
    row("floor.submit", "floor: the same inserts in a bare loop, same batches", "jobs/s"),
    row("submit.of_floor", "… submits at 64 connections ÷ that floor", "×"),
    aimed("bulk", "durable submits, 1,000 in a call, 4 connections", "jobs/s", Aim::Least(15000.0)),
    row("bulk.batch", "… jobs per commit", "jobs"),
    row("bulk.cpu", "… server processor time per job", "µs"),
    aimed(
        "drain",
        "drain of 20,000 no-op jobs, start of the process included",
        "jobs/s",
        Aim::Least(15000.0),
    ),
    row("drain.batch", "… jobs per commit", "jobs"),
    row("drain.cpu", "… server processor time per job", "µs"),
    row("floor.drain", "floor: the same statements in a bare loop, same batches", "jobs/s"),
    row("drain.of_floor", "… drain ÷ that floor", "×"),
    aimed("latency.p50", "submit to start of the body, p50", "ms", Aim::MostOr(2.5, "latency.p50.limit")),
    row("latency.p50.limit", "… 4 × the floor's p50 + 2 ms", "ms"),
    aimed("latency.p99", "submit to start of the body, p99", "ms", Aim::MostOr(7.0, "latency.p99.limit")),
    row("latency.p99.limit", "… 4 × the floor's p99 + 2 ms", "ms"),
    row("latency.answer.p50", "submit to its answer, p50", "ms"),
    row("copy.job", "2 GiB qcow2: the job until its bytes are copied, hashed and flushed", "s"),
    row("copy.mapping", "… of that, until the target is mapped and copying begins", "s"),
    row("copy.convert", "peer: qemu-img convert -t none -m 4, then sync of the target", "s"),
    row("copy.cp", "peer: cp --sparse=always, then sync of the target", "s"),
    aimed("copy.of_convert", "… speed ÷ that of qemu-img convert", "×", Aim::Least(0.9)),
    row("copy.of_cp", "… speed ÷ that of cp", "×"),
    row("copy.read_back", "read-back of the target by the job", "s"),
    row("copy.dd", "peer: dd iflag=direct bs=4M of the target", "s"),
    aimed("copy.read_back.of_dd", "… time ÷ that of dd", "×", Aim::Most(1.3)),
    row("copy.whole", "the whole job, submit to Succeeded", "s"),
    row("ceph.import", "4 GiB, half holes, file to pool: the job until its bytes are copied and hashed", "s"),
    row("ceph.import.whole", "… the whole job, read back", "s"),
    row("ceph.import.peer", "peer: rbd import", "s"),
    aimed("ceph.import.of_peer", "… speed ÷ that of rbd import", "×", Aim::Least(1.0)),
    row("ceph.import.whole.of_peer", "… the same with the read-back", "×"),
    row("ceph.between", "the same from pool to pool", "s"),
    row("ceph.between.whole", "… the whole job, read back", "s"),
    row("ceph.between.peer", "peer: rbd deep cp", "s"),
    aimed("ceph.between.of_peer", "… speed ÷ that of rbd deep cp", "×", Aim::Least(0.9)),
    row("ceph.between.whole.of_peer", "… the same with the read-back", "×"),
    aimed("ceph.memory", "most memory of server and child during the two", "MiB", Aim::Most(200.0)),
    aimed("memory.idle", "resident, idle 60 s after one job", "MiB", Aim::Most(40.0)),
    aimed("memory.stored", "resident, after the queries over all stored jobs", "MiB", Aim::Most(120.0)),
    row("syncs.calls", "fsync and fdatasync calls for 3,200 submits at 64 connections, by strace", "calls"),
    row("syncs.commits", "… commits in that time", "commits"),
    row("fill", "stored jobs written through the store (3 writes each)", "jobs/s"),
];

/// The same of a server on PostgreSQL.
pub const POSTGRES_ROWS: &[Spec] = &[
    row("floor.sync.p50", "floor: 4 KiB append + fdatasync, p50", "ms"),
    row("floor.sync.p99", "floor: 4 KiB append + fdatasync, p99", "ms"),
    row("submit.1", "durable submits, 1 connection", "jobs/s"),
    row("submit.16", "durable submits, 16 connections", "jobs/s"),
    row("submit.16.batch", "… jobs per writing transaction", "jobs"),
    aimed("submit.64", "durable submits, 64 connections", "jobs/s", Aim::Least(5000.0)),
    row("submit.64.batch", "… jobs per writing transaction", "jobs"),
    row("submit.64.cpu", "… processor time of the node per job", "µs"),
    aimed("bulk", "durable submits, 1,000 in a call, 4 connections", "jobs/s", Aim::Least(12_000.0)),
    row("bulk.cpu", "… processor time of the node per job", "µs"),
    aimed("drain", "drain of 20,000 no-op jobs, start of the process included", "jobs/s", Aim::Least(6000.0)),
    row("drain.batch", "… jobs per writing transaction", "jobs"),
    row("drain.log", "… write-ahead log per job", "KiB"),
    row("drain.cpu", "… processor time of the node per job", "µs"),
    row("floor.drain", "floor: its transactions run bare by two sessions of psql", "jobs/s"),
    aimed("drain.of_floor", "… drain ÷ that floor", "×", Aim::Least(0.7)),
    row("drain.two", "the same drain shared by two nodes", "jobs/s"),
    row("drain.two.share", "… of it by the node that did less", "%"),
    aimed("drain.two.of_one", "… two nodes ÷ one", "×", Aim::Least(0.9)),
    aimed("latency.p50", "submit to start of the body, p50", "ms", Aim::MostOr(2.5, "latency.p50.limit")),
    row("latency.p50.limit", "… 4 × the floor's p50 + 2 ms", "ms"),
    aimed("latency.p99", "submit to start of the body, p99", "ms", Aim::MostOr(10.0, "latency.p99.limit")),
    row("latency.p99.limit", "… 4 × the floor's p99 + 2 ms", "ms"),
    row("latency.answer.p50", "submit to its answer, p50", "ms"),
    row("million.nothing.submit", "submits at 64 connections, nothing stored before", "jobs/s"),
    row("million.finished.submit", "… beside 1,000,000 finished jobs", "jobs/s"),
    aimed("million.finished.submit.cost", "… which cost", "%", Aim::Most(10.0)),
    row("million.waiting.submit", "… beside 1,000,000 waiting jobs", "jobs/s"),
    aimed("million.waiting.submit.cost", "… which cost", "%", Aim::Most(10.0)),
    row("million.nothing.drain", "drain of a running node, nothing stored before", "jobs/s"),
    row("million.nothing.drain.log", "… write-ahead log per job", "KiB"),
    row("million.nothing.drain.database_cpu", "… processor time of the database per job", "µs"),
    row("million.finished.drain", "… beside 1,000,000 finished jobs", "jobs/s"),
    aimed("million.finished.drain.cost", "… which cost", "%", Aim::Most(10.0)),
    row("million.finished.drain.log", "… write-ahead log per job", "KiB"),
    row("million.finished.drain.database_cpu", "… processor time of the database per job", "µs"),
    row("million.waiting.drain", "… beside 1,000,000 waiting jobs", "jobs/s"),
    aimed("million.waiting.drain.cost", "… which cost", "%", Aim::Most(10.0)),
    row("million.waiting.drain.log", "… write-ahead log per job", "KiB"),
    row("million.waiting.drain.database_cpu", "… processor time of the database per job", "µs"),
    row("held_open.free", "drain for two minutes", "jobs/s"),
    row("held_open.held", "… while another client holds a transaction open", "jobs/s"),
    aimed("held_open.cost", "… which costs", "%", Aim::Most(15.0)),
    row("held_open.free.late", "the last 30 s of those two minutes", "jobs/s"),
    row("held_open.held.late", "… with the transaction open", "jobs/s"),
    row("held_open.late.cost", "… which costs", "%"),
    row(
        "takeover.1000.start.p50",
        "kill -9 of a node with 1,000 running jobs: to the start of a body elsewhere, p50",
        "s",
    ),
    row("takeover.1000.start.p99", "… p99", "s"),
    row("takeover.1000.start.last", "… the last", "s"),
    row("takeover.1000.checkpoint.p50", "… to its first checkpoint there, p50", "s"),
    aimed("takeover.1000.checkpoint.p99", "… p99", "s", Aim::Most(5.0)),
    row("takeover.1000.checkpoint.last", "… the last", "s"),
    row("takeover.1000.step", "… of which the body works before it saves one", "s"),
    row("takeover.10000.start.p50", "the same with 10,000 jobs: to the start of a body elsewhere, p50", "s"),
    row("takeover.10000.start.p99", "… p99", "s"),
    row("takeover.10000.start.last", "… the last", "s"),
    row("takeover.10000.checkpoint.p50", "… to its first checkpoint there, p50", "s"),
    row("takeover.10000.checkpoint.p99", "… p99", "s"),
    row("takeover.10000.checkpoint.last", "… the last", "s"),
    row("takeover.10000.step", "… of which the body works before it saves one", "s"),
    aimed("memory.idle", "resident, a node idle 60 s after one job", "MiB", Aim::Most(40.0)),
    aimed(
        "memory.stored",
        "resident, a node after the queries over all stored jobs",
        "MiB",
        Aim::Most(120.0),
    ),
];
