-- A claim that somebody changes at this moment is due anew by that; waiting for it could end in a deadlock.
WITH free AS (
    SELECT c.meter_id, c.device_id, w.disputed
    FROM unnest($1::integer[], $2::integer[], $3::boolean[]) AS w (meter_id, device_id, disputed)
    JOIN meter_claim c ON (c.meter_id, c.device_id) = (w.meter_id, w.device_id)
    FOR UPDATE OF c SKIP LOCKED
)
UPDATE meter_claim c
SET check_at = now() + make_interval(secs => $4), disputed_at = coalesce(c.disputed_at, CASE WHEN f.disputed THEN now() END)
FROM free f
WHERE (c.meter_id, c.device_id) = (f.meter_id, f.device_id)
