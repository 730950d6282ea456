-- Software: what each device is to run, what it runs, and what became of what was desired.

CREATE OR REPLACE FUNCTION software_standing(desired_version bigint, reported_version bigint, reported_state text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN desired_version IS NULL THEN NULL
        WHEN reported_version IS NULL THEN 'never_reported'
        WHEN reported_version <> desired_version THEN 'unreported'
        ELSE reported_state END
$$;
COMMENT ON FUNCTION software_standing IS
    'How desired software stands: never_reported (no updater has ever spoken), unreported, or what the updater says of it. Null where nothing is desired.';

CREATE OR REPLACE VIEW software_state AS
SELECT d.id AS device_id, d.name AS device, d.online, w.document ->> 'release' AS desired, w.version AS desired_version,
       w.document ->> 'source' AS source, w.author, w.published_at AS desired_at,
       coalesce(u.running, nullif(d.software, '')) AS running, u.version AS reported_version, u.state AS reported_state,
       u.release AS reported_release, u.reasons, u.octets, u.seconds, u.at AS reported_at, u.since,
       software_standing(w.version, u.version, u.state) AS standing
FROM device d
LEFT JOIN software_desired w ON w.device_id = d.id AND w.document IS NOT NULL
LEFT JOIN software_reported u ON u.device_id = d.id;
COMMENT ON VIEW software_state IS
    'The software of each device: the release desired, that which runs (as its updater says, else its agent), and how the desired one stands.';

CREATE OR REPLACE VIEW software_log AS
SELECT h.id, h.received_at, d.name AS device, h.version, h.state, h.release, h.running, h.octets, h.seconds, h.at,
       (SELECT string_agg(concat_ws(': ', x.reason ->> 'field', x.reason ->> 'reason'), '; ')
        FROM jsonb_array_elements(h.reasons) x(reason)) AS reasons
FROM software_history h
JOIN device d ON d.id = h.device_id;
COMMENT ON VIEW software_log IS 'Each state that software of a device came into.';

CREATE OR REPLACE TRIGGER unannounced_is_told AFTER INSERT OR UPDATE OF version, announced ON software_desired
    FOR EACH ROW WHEN (NEW.announced IS DISTINCT FROM NEW.version) EXECUTE FUNCTION tell_unannounced();

GRANT SELECT ON software_state, software_log TO wattline_gateway, wattline_grafana;
