-- A way back out of quarantine, once what it was refused for is mended: a job of another kind, done by the worker.

ALTER TABLE frame ADD COLUMN resolved_at timestamptz;
COMMENT ON COLUMN frame.resolved_at IS 'When a retry stored all of it; the row and its bytes stay.';

ALTER TABLE job DROP CONSTRAINT job_kind_check;
ALTER TABLE job ADD CONSTRAINT job_kind_check CHECK (kind IN ('redecode', 'retry'));
ALTER TABLE job ADD COLUMN selection jsonb;
COMMENT ON COLUMN job.selection IS 'Of a retry: which payloads in quarantine, by cause, device, time (until) and number; null where all.';

CREATE OR REPLACE VIEW quarantine AS
SELECT f.received_at, f.id, d.name AS device, m.key AS meter, f.topic, f.kind, f.reason, f.detail, f.port, f.protocol,
       f.at, octet_length(f.data) AS bytes, f.resolved_at
FROM frame f
LEFT JOIN device d ON d.id = f.device_id
LEFT JOIN meter m ON m.id = f.meter_id;

GRANT UPDATE (resolved_at) ON frame TO wattline_ingestor;
