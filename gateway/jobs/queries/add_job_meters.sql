INSERT INTO job_meter (job_id, meter_id)
SELECT $1, wanted.meter_id FROM unnest($2::integer[]) AS wanted (meter_id)
ON CONFLICT DO NOTHING
