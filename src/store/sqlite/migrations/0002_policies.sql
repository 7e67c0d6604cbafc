-- When the next attempt of a run is to start, while it waits between two.
ALTER TABLE runs ADD COLUMN retry_at INTEGER;

-- What a job remembers beside its pause, as JSON: the ends of other jobs that it has seen since it
-- last started ({"job": "run id"}), and the stretches of instants that wait to be caught up
-- ([["later than", "up to"], …]), which have no rows yet.
ALTER TABLE jobs ADD COLUMN seen TEXT NOT NULL DEFAULT '{}';
ALTER TABLE jobs ADD COLUMN backlog TEXT NOT NULL DEFAULT '[]';
