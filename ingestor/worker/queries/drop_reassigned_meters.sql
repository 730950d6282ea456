-- Meters that have another spec by now; those that are gone have none, and stay.
DELETE FROM job_meter
USING meter_spec x
WHERE job_meter.job_id = $1 AND x.meter_id = job_meter.meter_id AND x.spec IS DISTINCT FROM $2
