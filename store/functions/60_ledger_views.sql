-- What the ledger shows: missing, late, healed and repeated numbers.

CREATE OR REPLACE VIEW ledger AS
SELECT e.received_at, e.stored_at, e.newest_at, k.kind, d.name AS device, m.key AS meter, e.rows, e.boot, e.seq, e.spec, e.resent
FROM message e
LEFT JOIN message_kind k ON k.id = e.kind
LEFT JOIN device d ON d.id = e.device_id
LEFT JOIN meter m ON m.id = e.meter_id;
COMMENT ON VIEW ledger IS 'Every delivery of a message with its device and meter. Always give a range of received_at.';

CREATE OR REPLACE VIEW ledger_summary AS
SELECT m.bucket, d.name AS device, m.deliveries, m.rows, m.repeated, m.late, m.timed, m.delay_s, m.delay_max_s, m.wait_s, m.wait_max_s,
       m.bucket + INTERVAL '5 minutes' <= s.folded_until AS whole, m.healed, m.resent, m.implausible
FROM ledger_5m m
LEFT JOIN device d ON d.id = m.device_id
CROSS JOIN ledger_state s;
COMMENT ON VIEW ledger_summary IS 'The ledger by device and five minutes; `whole` once all of them are summed up. Give a range of bucket.';

-- Without the summary the newest of a quiet day would be looked for in all of its rows.
CREATE OR REPLACE VIEW ledger_age AS
SELECT extract(epoch FROM now() - nullif(folded_until, '-infinity'))::double precision AS age_s,
       greatest((SELECT max(heard_at) FROM ledger_boot),
                (SELECT max(received_at) FROM message WHERE received_at >= (SELECT folded_until FROM ledger_state))) AS newest_at
FROM ledger_state;
COMMENT ON VIEW ledger_age IS 'How far the summary of the ledger lags behind, null before the first; and receipt of the newest message of all.';

CREATE OR REPLACE FUNCTION ledger_quality_between(since timestamptz, until timestamptz)
RETURNS TABLE (device text, messages bigint, lost bigint, repeated bigint, late bigint, healed bigint, resent bigint, implausible bigint)
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT d.name, m.messages, coalesce(h.lost, 0), m.repeated, m.late, m.healed, m.resent, m.implausible
    FROM (
        SELECT device_id, sum(deliveries - repeated)::bigint AS messages, sum(repeated)::bigint AS repeated, sum(late)::bigint AS late,
               sum(healed)::bigint AS healed, sum(resent)::bigint AS resent, sum(implausible)::bigint AS implausible
        FROM (
            SELECT device_id, deliveries, repeated, late, healed, resent, implausible FROM ledger_1h
            WHERE bucket > since - INTERVAL '5 minutes' AND bucket < until - INTERVAL '55 minutes'
            UNION ALL
            SELECT device_id, deliveries, repeated, late, healed, resent, implausible FROM ledger_5m
            WHERE bucket > since - INTERVAL '5 minutes' AND bucket < least(until, since + INTERVAL '55 minutes')
                  AND time_bucket('1 hour', bucket) <= since - INTERVAL '5 minutes'
            UNION ALL
            SELECT device_id, deliveries, repeated, late, healed, resent, implausible FROM ledger_5m
            WHERE bucket >= until - INTERVAL '55 minutes' AND bucket < until
                  AND time_bucket('1 hour', bucket) >= until - INTERVAL '55 minutes'
                  AND time_bucket('1 hour', bucket) > since - INTERVAL '5 minutes'
        ) part
        GROUP BY device_id
    ) m
    JOIN device d ON d.id = m.device_id
    LEFT JOIN (
        SELECT device_id, least(sum(high - low + 1), ledger_limit('sum'))::bigint AS lost
        FROM ledger_hole
        WHERE opened_at >= time_bucket('5 minutes', since) AND opened_at < until AND ledger_hole.lost
        GROUP BY device_id
    ) h ON h.device_id = m.device_id;
END;
COMMENT ON FUNCTION ledger_quality_between IS
    'Messages of each device received in [since, until), as summed up: distinct, lost, repeated, late; the others as in ledger_5m.';

CREATE OR REPLACE FUNCTION message_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (
    device text, boot text, messages bigint, rows bigint, lost bigint, repeated bigint, late bigint,
    first_seq bigint, last_seq bigint, first_received_at timestamptz, last_received_at timestamptz, healed bigint, resent bigint,
    ended_seq bigint
)
LANGUAGE sql STABLE SECURITY DEFINER  -- so that who may read the view need not read the ledger
BEGIN ATOMIC
    WITH delivery AS (
        SELECT e.device_id, e.boot, e.seq, min(e.received_at) AS received_at, max(e.received_at) AS again_at,
               max(e.rows) AS rows, count(*) AS times, count(*) FILTER (WHERE e.resent > 0) AS resent
        FROM message e
        WHERE e.received_at >= since AND e.received_at < until
        GROUP BY e.device_id, e.boot, e.seq
    ), ordered AS (
        SELECT y.*, max(y.seq) OVER (
                   PARTITION BY y.device_id, y.boot ORDER BY y.received_at, y.seq
               ) AS highest
        FROM delivery y
    ), grouped AS (
        SELECT o.device_id, o.boot, count(*) AS messages, sum(o.rows)::bigint AS rows, sum(o.times - 1)::bigint AS repeated,
               count(*) FILTER (WHERE o.seq < o.highest) AS late, min(o.seq) AS first_seq, max(o.seq) AS last_seq,
               min(o.received_at) AS first_received_at, max(o.again_at) AS last_received_at,
               count(*) FILTER (WHERE o.seq < o.highest AND o.resent = o.times) AS healed, sum(o.resent)::bigint AS resent
        FROM ordered o
        GROUP BY o.device_id, o.boot
    ), ended AS (
        SELECT x.device_id, x.boot, x.seq, b.deliveries
        FROM ledger_boot_end x
        LEFT JOIN ledger_boot b ON b.device_id = x.device_id AND b.boot = x.boot
        WHERE x.told_at >= since AND x.told_at < until
              AND x.seq <= coalesce(b.highest + ledger_limit('jump'), ledger_limit('first'))
    )
    SELECT d.name, w.boot, w.messages, w.rows, least(w.lost, ledger_limit('sum')), w.repeated, w.late, w.first_seq, w.last_seq,
           w.first_received_at, w.last_received_at, w.healed, w.resent, w.ended_seq
    FROM (
        SELECT g.device_id, g.boot, g.messages, g.rows, greatest(g.last_seq, x.seq) - g.first_seq + 1 - g.messages AS lost, g.repeated,
               g.late, g.first_seq, g.last_seq, g.first_received_at, g.last_received_at, g.healed, g.resent, x.seq AS ended_seq
        FROM grouped g
        LEFT JOIN ended x ON x.device_id = g.device_id AND x.boot = g.boot
        UNION ALL
        SELECT x.device_id, x.boot, 0, 0, x.seq, 0, 0, NULL, NULL, NULL, NULL, 0, 0, x.seq
        FROM ended x
        WHERE x.seq > 0 AND coalesce(x.deliveries, 0) = 0
              AND NOT EXISTS (SELECT FROM grouped g WHERE g.device_id = x.device_id AND g.boot = x.boot)
    ) w
    JOIN device d ON d.id = w.device_id;
END;
COMMENT ON FUNCTION message_gap_between IS
    'Lost, repeated, late and healed messages of each device and boot, received in [since, until); ended_seq as the next boot told it.';

CREATE OR REPLACE VIEW message_gap AS
SELECT * FROM message_gap_between('-infinity', 'infinity');
COMMENT ON VIEW message_gap IS 'message_gap_between over the whole ledger; give a range on large ledgers.';

CREATE OR REPLACE VIEW ledger_boot_overview AS
SELECT d.name AS device, b.boot, b.first_at, b.heard_at, b.highest AS last_seq, b.deliveries - b.repeated AS messages,
       h.lost, b.repeated, b.late, b.healed, b.resent, h.unheard, x.seq AS ended_seq,
       b.device_id
FROM ledger_boot b
JOIN device d ON d.id = b.device_id
CROSS JOIN LATERAL (
    SELECT least(coalesce(sum(high - low + 1) FILTER (WHERE l.lost), 0), ledger_limit('sum'))::bigint AS lost,
           least(coalesce(sum(high - low + 1) FILTER (WHERE NOT l.lost), 0), ledger_limit('sum'))::bigint AS unheard
    FROM ledger_hole l
    WHERE l.device_id = b.device_id AND l.boot = b.boot
) h
LEFT JOIN ledger_boot_end x ON x.device_id = b.device_id AND x.boot = b.boot;
COMMENT ON VIEW ledger_boot_overview IS
    'Each boot of each device as summed up: messages, lost, repeated, late, healed, sent again; null where it is older than these counts.';
COMMENT ON COLUMN ledger_boot_overview.unheard IS 'Numbers before the first that was heard of it: they may be older than the ledger.';
COMMENT ON COLUMN ledger_boot_overview.ended_seq IS 'Its last number, as the next boot told; null where none has told.';

CREATE OR REPLACE VIEW ledger_hole_overview AS
SELECT d.name AS device, h.boot, h.low, h.high, h.high - h.low + 1 AS numbers, h.opened_at, h.lost, h.device_id
FROM ledger_hole h
JOIN device d ON d.id = h.device_id;
COMMENT ON VIEW ledger_hole_overview IS 'Numbers that have not come though a higher one has, or the next boot tells of them; as summed up.';

CREATE OR REPLACE VIEW ledger_skip AS
SELECT s.at, d.name AS device, s.since, s.until, s.error
FROM ledger_skipped s
LEFT JOIN device d ON d.id = s.device_id;
COMMENT ON VIEW ledger_skip IS 'Deliveries of a device that could not be summed up and were left out, so that all others are; the ledger itself has them.';

CREATE OR REPLACE VIEW ledger_open AS
SELECT d.name AS device, least(sum(h.high - h.low + 1), ledger_limit('sum'))::bigint AS numbers, count(*) AS holes, min(h.opened_at) AS since
FROM ledger_hole h
JOIN device d ON d.id = h.device_id
WHERE h.lost AND h.opened_at > now() - INTERVAL '1 day' AND h.opened_at < now() - INTERVAL '1 hour'
GROUP BY d.name;
COMMENT ON VIEW ledger_open IS 'Devices whose messages were found missing within the last day and have not come within an hour.';

CREATE OR REPLACE VIEW batch_log AS
SELECT at, ingestor, messages, rows, commit_s FROM ingest_batch;
COMMENT ON VIEW batch_log IS 'What each transaction of an ingestor held, and what it took to write and commit it.';

-- A device tells again as its oldest message has waited for a minute, and as none has any more (device/outbox/reporting.py);
-- what had waited for less was under way, and has arrived since without a word.
CREATE OR REPLACE VIEW outbox_overview AS
SELECT name AS device, online, outbox_at AS told_at,
       CASE WHEN outbox_waiting_for_s >= 60 THEN outbox_waiting ELSE 0 END AS waiting,
       CASE WHEN outbox_waiting_for_s >= 60 THEN outbox_waiting_for_s ELSE 0 END AS waiting_for_s,
       CASE WHEN outbox_unconfirmed_for_s >= 60 THEN outbox_unconfirmed ELSE 0 END AS unconfirmed,
       CASE WHEN outbox_unconfirmed_for_s >= 60 THEN outbox_unconfirmed_for_s ELSE 0 END AS unconfirmed_for_s
FROM device
WHERE outbox_at IS NOT NULL;
COMMENT ON VIEW outbox_overview IS 'Messages that waited for longer than a minute in each device''s outbox, as it told last: for the broker, and for the store''s receipt.';
GRANT SELECT ON outbox_overview TO wattline_ingestor, wattline_gateway, wattline_grafana;

REVOKE EXECUTE ON FUNCTION ledger_quality_between, message_gap_between FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_quality_between TO wattline_gateway, wattline_grafana;
GRANT EXECUTE ON FUNCTION message_gap_between TO wattline_ingestor, wattline_gateway, wattline_grafana;
