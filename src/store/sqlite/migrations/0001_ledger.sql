-- Times are microseconds since the Unix epoch. Words are those of the API.
-- Conditions that every insert evaluates are chains of OR: for a longer IN list the database would
-- build a table of its words each time.

-- One row a fire, a manual run, or a stretch of instants that ended alike (last_scheduled_at set).
-- seq is the order of arrival and only settles ties of scheduled_at.
CREATE TABLE runs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    status TEXT NOT NULL CHECK (
        status = 'scheduled' OR status = 'queued' OR status = 'running' OR status = 'succeeded'
        OR status = 'failed' OR status = 'timed_out' OR status = 'cancelled'
        OR status = 'skipped' OR status = 'missed' OR status = 'lost'),
    trigger TEXT NOT NULL CHECK (
        trigger = 'schedule' OR trigger = 'catch_up' OR trigger = 'manual'
        OR trigger = 'startup' OR trigger = 'after'),
    scheduled_at INTEGER NOT NULL,
    last_scheduled_at INTEGER CHECK (last_scheduled_at >= scheduled_at),
    count INTEGER CHECK (count >= 0),
    due_at INTEGER NOT NULL,
    queued_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    attempts INTEGER NOT NULL,
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT,
    params TEXT NOT NULL,
    node TEXT NOT NULL,
    requested_by TEXT,
    -- Of whoever decided it; always 0 on one node.
    term INTEGER NOT NULL DEFAULT 0,
    CHECK (count IS NULL OR last_scheduled_at IS NOT NULL)
) STRICT;

-- The promise itself: an instant of a job is in the account once.
CREATE UNIQUE INDEX runs_fire ON runs (job, scheduled_at)
    WHERE trigger IN ('schedule', 'catch_up') AND last_scheduled_at IS NULL;
CREATE INDEX runs_span ON runs (job, last_scheduled_at) WHERE last_scheduled_at IS NOT NULL;
CREATE INDEX runs_span_end ON runs (last_scheduled_at) WHERE last_scheduled_at IS NOT NULL;

-- The orders in which history is read.
CREATE INDEX runs_by_time ON runs (scheduled_at);
CREATE INDEX runs_by_job ON runs (job, scheduled_at);
CREATE INDEX runs_by_status ON runs (status, scheduled_at);
CREATE INDEX runs_by_trigger ON runs (trigger, scheduled_at) WHERE trigger <> 'schedule';
CREATE INDEX runs_ended ON runs (job, scheduled_at, status)
    WHERE (status = 'succeeded' OR status = 'failed' OR status = 'timed_out'
        OR status = 'cancelled' OR status = 'lost');

CREATE TABLE attempts (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (
        status = 'scheduled' OR status = 'queued' OR status = 'running' OR status = 'succeeded'
        OR status = 'failed' OR status = 'timed_out' OR status = 'cancelled'
        OR status = 'skipped' OR status = 'missed' OR status = 'lost'),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    pid INTEGER,
    exit_code INTEGER,
    signal INTEGER,
    reason TEXT,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- seq is the order of arrival: the oldest go first. size stands before the bytes, so that adding
-- sizes up reads none of them.
CREATE TABLE outputs (
    seq INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    attempt INTEGER NOT NULL,
    size INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL,
    segments BLOB NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (run, attempt)
) STRICT;

-- What is remembered of a job. pruned_through is retention's own mark: the account begins after
-- the later of it and audit_from.
CREATE TABLE jobs (
    job TEXT PRIMARY KEY,
    decided_through INTEGER NOT NULL,
    audit_from INTEGER NOT NULL,
    pruned_through INTEGER,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
    paused_at INTEGER,
    paused_until INTEGER,
    pause_reason TEXT,
    paused_by TEXT
) STRICT, WITHOUT ROWID;

-- Which schedule a job had: from_at < instant <= to_at. No row: it named no instants.
CREATE TABLE schedules (
    job TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    to_at INTEGER CHECK (to_at > from_at),
    spec TEXT NOT NULL,
    PRIMARY KEY (job, from_at)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX schedules_open ON schedules (job) WHERE to_at IS NULL;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('scheduler_paused', 0), ('output_bytes', 0);

-- How much output there is, always at hand.
CREATE TRIGGER outputs_added AFTER INSERT ON outputs BEGIN
    UPDATE meta SET value = value + new.size WHERE name = 'output_bytes';
END;
CREATE TRIGGER outputs_replaced AFTER UPDATE OF size ON outputs BEGIN
    UPDATE meta SET value = value + new.size - old.size WHERE name = 'output_bytes';
END;
CREATE TRIGGER outputs_removed AFTER DELETE ON outputs BEGIN
    UPDATE meta SET value = value - old.size WHERE name = 'output_bytes';
END;
