UPDATE job_meter
SET frames = job_meter.frames + d.frames, undecodable = job_meter.undecodable + d.undecodable,
    first_at = least(job_meter.first_at, d.first_at), last_at = greatest(job_meter.last_at, d.last_at)
FROM unnest($2::integer[], $3::integer[], $4::integer[], $5::timestamptz[], $6::timestamptz[])
     AS d (meter_id, frames, undecodable, first_at, last_at)
WHERE job_meter.job_id = $1 AND job_meter.meter_id = d.meter_id
