CREATE TABLE plain_reading (LIKE reading);
INSERT INTO plain_reading SELECT * FROM reading;
CREATE UNIQUE INDEX plain_reading_series_id_time ON plain_reading (series_id, time)
