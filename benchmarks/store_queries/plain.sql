-- The same bytes and index as of a logged table, in half the time.
CREATE UNLOGGED TABLE plain_reading (LIKE reading);
INSERT INTO plain_reading SELECT * FROM reading;
SET LOCAL maintenance_work_mem = '1GB';
CREATE UNIQUE INDEX plain_reading_series_id_time ON plain_reading (series_id, time)
