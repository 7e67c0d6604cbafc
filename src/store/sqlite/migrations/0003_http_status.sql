-- The status of the answer to an HTTP request, if there was one.
ALTER TABLE runs ADD COLUMN http_status INTEGER;
ALTER TABLE attempts ADD COLUMN http_status INTEGER;
