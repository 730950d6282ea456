-- What makes a frame, a quarantined payload or a device's event one row, whoever writes it and whenever it is given again. A unique index of
-- a hypertable must hold its time column, and each delivery has a time of receipt of its own: so the identity stands in a plain table, whose
-- row is claimed before the other one is written, in the same transaction.

CREATE TABLE delivery_claim (
    delivery   uuid PRIMARY KEY,
    claimed_at timestamptz NOT NULL
);
CREATE INDEX delivery_claim_claimed_at ON delivery_claim USING brin (claimed_at) WITH (pages_per_range = 16, autosummarize = on);
COMMENT ON TABLE delivery_claim IS 'Frames, quarantined payloads and devices'' events that are entered: a second claim finds the first, and enters nothing.';

CREATE FUNCTION event_delivery(device_id integer, boot text, seq bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5('event ' || device_id || ' ' || boot || ' ' || seq)::uuid;
COMMENT ON FUNCTION event_delivery IS 'The identity of a device''s event in delivery_claim.';

CREATE FUNCTION delivery_claim_prune() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM delivery_claim
    -- greatest() leaves nulls out, and null is for ever
    WHERE store_keep('frames') IS NOT NULL AND store_keep('events') IS NOT NULL
          AND claimed_at < now() - greatest(store_keep('frames'), store_keep('events'))
$$;
COMMENT ON FUNCTION delivery_claim_prune IS 'Forgets claims that are older than frames and events are kept.';

-- Doubles of before, the later of each: raw frames and events, for a payload may have come twice in truth.
DELETE FROM frame f
USING (SELECT delivery, min(id) AS first FROM frame WHERE kind = 'frame' GROUP BY delivery HAVING count(*) > 1) d
WHERE f.kind = 'frame' AND f.delivery = d.delivery AND f.id > d.first;
DELETE FROM event e
USING (
    SELECT device_id, boot, seq, min(received_at) AS first FROM event
    WHERE source = 'device' AND seq IS NOT NULL GROUP BY device_id, boot, seq HAVING count(*) > 1
) d
WHERE e.source = 'device' AND e.device_id = d.device_id AND e.boot = d.boot AND e.seq = d.seq AND e.received_at > d.first;

INSERT INTO delivery_claim (delivery, claimed_at)
SELECT delivery, max(claimed_at)
FROM (
    SELECT delivery, received_at FROM frame
    UNION ALL
    SELECT event_delivery(device_id, boot, seq), received_at FROM event
    WHERE source = 'device' AND device_id IS NOT NULL AND boot IS NOT NULL AND seq IS NOT NULL
) known (delivery, claimed_at)
GROUP BY delivery;

-- Nobody looks a delivery up in the frames any more; one frame is asked for by its number.
DROP INDEX frame_delivery;
CREATE INDEX frame_id ON frame (id);

GRANT SELECT, INSERT ON delivery_claim TO wattline_ingestor;
GRANT SELECT, INSERT, UPDATE ON delivery_claim TO wattline_gateway;
REVOKE EXECUTE ON FUNCTION delivery_claim_prune FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delivery_claim_prune TO wattline_ingestor;
