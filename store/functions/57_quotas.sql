-- What one device may use of the platform in a day, and has used.

CREATE OR REPLACE FUNCTION quota_take(device_name text, what text, wanted bigint, most bigint, whole boolean, size bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    who integer := (SELECT id FROM device WHERE name = device_name);
    free bigint;
BEGIN
    INSERT INTO quota_day (day, device_id, quota, allowed) VALUES (today, who, what, most) ON CONFLICT DO NOTHING;
    SELECT greatest(0, most - used) INTO free FROM quota_day
    WHERE (day, quota) = (today, what) AND device_id IS NOT DISTINCT FROM who FOR UPDATE;
    free := CASE WHEN whole AND free < wanted THEN 0 ELSE least(free, wanted) END;
    UPDATE quota_day
    SET used = used + free, allowed = most, cut = cut + CASE WHEN whole THEN (free < wanted)::int ELSE wanted - free END,
        cut_bytes = cut_bytes + CASE WHEN free < wanted THEN size ELSE 0 END,
        cut_at = CASE WHEN free < wanted THEN now() ELSE cut_at END
    WHERE (day, quota) = (today, what) AND device_id IS NOT DISTINCT FROM who;
    RETURN free;
END
$$;
COMMENT ON FUNCTION quota_take IS
    'Uses so much of a device''s quota of today, or what is left of it (of a whole all or nothing); devices without a row share one. Returns what is granted.';

CREATE OR REPLACE FUNCTION quota_prune() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM quota_day WHERE day < (now() AT TIME ZONE 'UTC')::date - 400
$$;
COMMENT ON FUNCTION quota_prune IS 'Forgets what devices used more than 400 days ago.';

CREATE OR REPLACE VIEW device_quota AS
SELECT q.day, coalesce(d.name, '') AS device, q.quota, q.used, q.allowed, q.cut, q.cut_bytes, q.cut_at
FROM quota_day q
LEFT JOIN device d ON d.id = q.device_id;
COMMENT ON VIEW device_quota IS 'What each device used of its quotas by UTC day, and what was not taken of it; columns as in quota_day.';

REVOKE EXECUTE ON FUNCTION quota_take, quota_prune FROM PUBLIC;
GRANT EXECUTE ON FUNCTION quota_take TO wattline_gateway;
GRANT EXECUTE ON FUNCTION quota_prune TO wattline_ingestor;
GRANT SELECT ON device_quota TO wattline_gateway, wattline_grafana;
