-- Sorting is by a text, so that one statement pages through every order; the name decides between equals.
WITH shown AS (
    SELECT v.device_id, v.device, v.online, v.revoked, v.first_seen_at, v.last_seen_at, v.registered_at, v.software,
           v.meters AS meter_count, v.desired_version, v.reported_version, v.reported_state,
           CASE WHEN v.desired_version IS NOT NULL
                THEN coalesce(v.reported_state = 'applied' AND v.reported_version = v.desired_version, false)
                END AS in_step,
           config_standing(v.desired_version, r.version, r.state, r.probation, r.watched) AS config_state,
           r.held_back, coalesce(l.labels, '{}') AS labels
    FROM device_overview v
    LEFT JOIN device_labels l ON l.device_id = v.device_id
    LEFT JOIN reported r ON r.device_id = v.device_id
), keyed AS (
    SELECT s.*,
           (CASE $6::text
                WHEN 'last_seen_at' THEN coalesce(to_char(s.last_seen_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), '')
                WHEN 'online' THEN CASE s.online WHEN true THEN '2' WHEN false THEN '1' ELSE '0' END
                WHEN 'in_step' THEN CASE s.in_step WHEN true THEN '2' WHEN false THEN '0' ELSE '1' END
                WHEN 'meters' THEN lpad(s.meter_count::text, 10, '0')
                WHEN 'software' THEN coalesce(s.software, '')
                ELSE '' END) COLLATE "C" AS sort_key
    FROM shown s
    WHERE ($3::boolean IS NULL OR coalesce(s.online, false) = $3)
          AND ($4::boolean IS NULL OR coalesce(s.in_step, true) = $4)
          AND ($9::text[] IS NULL OR s.device = ANY($9::text[]))
          AND ($5::text IS NULL OR strpos(lower(s.device), lower($5)) > 0 OR strpos(lower(s.software), lower($5)) > 0
               OR EXISTS (SELECT 1 FROM meter m LEFT JOIN meter_spec x ON x.meter_id = m.id
                          WHERE m.device_id = s.device_id AND m.removed_at IS NULL
                                AND (strpos(lower(m.key), lower($5)) > 0 OR strpos(lower(x.spec), lower($5)) > 0)))
), page AS (
    SELECT * FROM keyed k
    WHERE $2::text IS NULL
          OR CASE WHEN $7 THEN (k.sort_key, k.device) < ($1::text, $2) ELSE (k.sort_key, k.device) > ($1::text, $2) END
    ORDER BY CASE WHEN NOT $7 THEN k.sort_key END, CASE WHEN NOT $7 THEN k.device END, k.sort_key DESC, k.device DESC
    LIMIT $8
)
SELECT k.*, (SELECT coalesce(array_agg(DISTINCT x.spec ORDER BY x.spec) FILTER (WHERE x.spec IS NOT NULL), '{}')
             FROM meter_spec x WHERE x.device_id = k.device_id) AS specs,
       coalesce(s.meters, '{}') AS silent
FROM page k
LEFT JOIN silent_meters(ARRAY(SELECT device_id FROM page)) s ON s.device_id = k.device_id
ORDER BY CASE WHEN NOT $7 THEN k.sort_key END, CASE WHEN NOT $7 THEN k.device END, k.sort_key DESC, k.device DESC
