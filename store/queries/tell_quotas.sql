-- Once a day, device and quota: what is over it now, how much was allowed and until when it holds. The table has the rest.
WITH told AS (
    UPDATE quota_day SET told_at = now()
    WHERE day >= (now() AT TIME ZONE 'UTC')::date - 1 AND cut > 0 AND told_at IS NULL AND device_id IS NOT NULL
    RETURNING *
), entered AS (
    INSERT INTO event (received_at, at, device_id, source, event, severity, detail)
    SELECT now(), coalesce(cut_at, now()), device_id, 'ingestor', 'quota_exceeded', 'warning',
           jsonb_build_object('quota', quota, 'allowed', allowed, 'used', used, 'cut', cut, 'cut_bytes', cut_bytes,
                              'until', CASE WHEN allowed IS NOT NULL THEN (day + 1)::timestamp AT TIME ZONE 'UTC' END)
    FROM told
)
SELECT d.name FROM told t JOIN device d ON d.id = t.device_id
