-- The arrays beside one another: $1 days, $2 devices, $3 quotas, $4 used, $5 cut, $6 bytes of that, $7 what is allowed a day, 0 for a share.
-- In one order for all, so that two who count can't wait for each other.
WITH given AS (
    SELECT g.day, d.id AS device_id, g.quota, g.used, g.cut, g.cut_bytes, nullif(g.allowed, 0) AS allowed
    FROM unnest($1::date[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
         AS g (day, device, quota, used, cut, cut_bytes, allowed)
    LEFT JOIN device d ON d.name = g.device
    WHERE d.id IS NOT NULL OR g.device = ''
), noted AS (
    INSERT INTO quota_day AS q (day, device_id, quota, used, cut, cut_bytes, allowed, cut_at)
    SELECT day, device_id, quota, used, cut, cut_bytes, allowed, CASE WHEN cut > 0 THEN now() END
    FROM given
    ORDER BY day, device_id, quota
    ON CONFLICT (day, device_id, quota) DO UPDATE
    SET used = q.used + excluded.used, cut = q.cut + excluded.cut, cut_bytes = q.cut_bytes + excluded.cut_bytes,
        allowed = excluded.allowed, cut_at = coalesce(excluded.cut_at, q.cut_at)
    RETURNING q.day, q.device_id, q.quota, q.used
)
SELECT n.day, coalesce(d.name, '') AS device, n.quota, n.used FROM noted n LEFT JOIN device d ON d.id = n.device_id
