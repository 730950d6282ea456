-- Events on their way to the rules of notifications, and how the messages stand.

-- Runs as its owner: who writes an event need not be let into the rules.
CREATE OR REPLACE FUNCTION notice_of_event() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM notice_rule WHERE enabled AND NEW.event LIKE ANY (events)) THEN
        IF (SELECT coalesce(max(id) - min(id), 0) FROM notice_event) < 100000 THEN
            INSERT INTO notice_event (received_at, at, device_id, meter_id, event, severity, detail)
            VALUES (NEW.received_at, NEW.at, NEW.device_id, NEW.meter_id, NEW.event, NEW.severity, NEW.detail);
        ELSE
            PERFORM nextval('notice_missed');
        END IF;
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER notice_new AFTER INSERT ON event FOR EACH ROW EXECUTE FUNCTION notice_of_event();

CREATE OR REPLACE VIEW notice_channel_overview AS
SELECT c.name AS channel, c.kind, c.shown, c.failures, c.not_before, c.answer, c.answered_at,
       coalesce(d.waiting, 0) AS waiting, coalesce(d.dead, 0) AS dead, d.oldest_at, d.dead_at, d.sent_at
FROM notice_channel c
LEFT JOIN (
    SELECT channel, count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'dead') AS dead,
           min(made_at) FILTER (WHERE state = 'waiting') AS oldest_at, max(changed_at) FILTER (WHERE state = 'dead') AS dead_at,
           max(changed_at) FILTER (WHERE state = 'sent') AS sent_at
    FROM notice_delivery
    GROUP BY channel
) d ON d.channel = c.name;
COMMENT ON VIEW notice_channel_overview IS 'Each channel of notifications, without its secrets, and how its messages stand.';

GRANT SELECT ON notice_channel_overview TO wattline_gateway, wattline_ingestor, wattline_grafana;
GRANT SELECT ON device_overview, device_label_set, waiting_device, meter_secret_wanted, unknown_meter, gateway_gauge_overview,
                meter_gap, energy_series TO wattline_ingestor;
