-- Which of two reports of an updater is newer, by its own count.

ALTER TABLE software_reported
    ADD COLUMN memory text NOT NULL DEFAULT '',
    ADD COLUMN number bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN software_reported.memory IS 'The memory of the updater that number counts in, empty of one that does not count.';
COMMENT ON COLUMN software_reported.number IS 'Rises with each report of one memory.';
