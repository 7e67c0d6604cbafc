-- What an attempt took of the machine, where it is known: processor time in microseconds, and the
-- most memory it had at once.
ALTER TABLE attempts ADD COLUMN cpu_usec INTEGER;
ALTER TABLE attempts ADD COLUMN max_rss_bytes INTEGER;
