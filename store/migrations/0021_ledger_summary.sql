-- The ledger summed up by device and five minutes, so that a day of it is read in no time, and the numbers that are missing.
-- Each delivery is folded in once, in the order of receipt, whatever was received or committed late; `wattline ingestor` does it.

CREATE TABLE ledger_5m (
    bucket      timestamptz NOT NULL,
    device_id   integer NOT NULL,
    deliveries  bigint NOT NULL,
    rows        bigint NOT NULL,
    repeated    bigint NOT NULL,
    late        bigint NOT NULL,
    timed       bigint NOT NULL,
    delay_s     double precision NOT NULL,
    delay_max_s double precision,
    wait_s      double precision NOT NULL,
    wait_max_s  double precision NOT NULL
);
SELECT create_hypertable('ledger_5m', by_range('bucket', INTERVAL '7 days'), create_default_indexes => false);
CREATE UNIQUE INDEX ledger_5m_bucket_device_id ON ledger_5m (bucket, device_id);
COMMENT ON TABLE ledger_5m IS 'Deliveries of each device by five minutes of their receipt: how many, their values, repeats and late ones.';
COMMENT ON COLUMN ledger_5m.timed IS 'Deliveries that carry a time; delay_s sums how old it was when it was stored, wait_s from receipt to table.';

CREATE TABLE ledger_1h (
    bucket     timestamptz NOT NULL,
    device_id  integer NOT NULL,
    deliveries bigint NOT NULL,
    repeated   bigint NOT NULL,
    late       bigint NOT NULL
);
SELECT create_hypertable('ledger_1h', by_range('bucket', INTERVAL '28 days'), create_default_indexes => false);
CREATE UNIQUE INDEX ledger_1h_bucket_device_id ON ledger_1h (bucket, device_id);
COMMENT ON TABLE ledger_1h IS 'ledger_5m by the hour, for questions over a day or more of many devices.';

CREATE TABLE ledger_boot (
    device_id integer NOT NULL,
    boot      text NOT NULL,
    highest   bigint NOT NULL,
    heard_at  timestamptz NOT NULL,
    PRIMARY KEY (device_id, boot)
);
COMMENT ON TABLE ledger_boot IS 'The highest number of each boot that was folded in.';

CREATE TABLE ledger_hole (
    device_id integer NOT NULL,
    boot      text NOT NULL,
    low       bigint NOT NULL,
    high      bigint NOT NULL CHECK (high >= low),
    opened_at timestamptz NOT NULL,
    lost      boolean NOT NULL DEFAULT true,
    PRIMARY KEY (device_id, boot, low)
);
CREATE INDEX ledger_hole_opened_at ON ledger_hole (opened_at);
COMMENT ON TABLE ledger_hole IS 'Numbers that have not come though a higher one has; a late message closes its own.';
COMMENT ON COLUMN ledger_hole.opened_at IS 'Receipt of the message that came in their place.';
COMMENT ON COLUMN ledger_hole.lost IS 'False for what lies before the first that we heard of a boot, which may be older than the ledger.';

CREATE TABLE ledger_late (LIKE message);
COMMENT ON TABLE ledger_late IS 'Deliveries stored after their time was given up for summing up; counted by the next fold.';

CREATE TABLE ledger_state (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    noted_until  timestamptz NOT NULL,
    folded_until timestamptz NOT NULL CHECK (folded_until <= noted_until)
);
INSERT INTO ledger_state (noted_until, folded_until) VALUES ('-infinity', '-infinity');
COMMENT ON COLUMN ledger_state.noted_until IS 'Deliveries received before it are noted in ledger_late when they are stored.';
COMMENT ON COLUMN ledger_state.folded_until IS 'All that was received before it and is not in ledger_late is in ledger_5m.';

-- A trigger, so that no writer can forget.
CREATE FUNCTION note_late_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_late SELECT s.* FROM stored s, ledger_state t WHERE s.received_at < t.noted_until;
    RETURN NULL;
END
$$;
CREATE TRIGGER message_late AFTER INSERT ON message
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION note_late_messages();

CREATE FUNCTION ledger_note(until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE ledger_state SET noted_until = until WHERE noted_until < until
$$;
COMMENT ON FUNCTION ledger_note IS 'From now on deliveries received before this time are noted as late.';

-- What is to be folded in: the next stretch of the ledger, and what is noted as late and lies before it. Both in one statement,
-- hence of one moment: what is noted and lies within the stretch, or after it, is seen in the ledger itself.
CREATE FUNCTION ledger_take(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    WITH noted AS (
        DELETE FROM ledger_late RETURNING *
    ), incoming AS (
        SELECT * FROM message WHERE received_at >= since AND received_at < until
        UNION ALL
        SELECT * FROM noted WHERE received_at < since
    )
    INSERT INTO pg_temp.ledger_taken
    SELECT i.device_id, i.boot, i.seq, i.received_at, i.rows, extract(epoch FROM i.stored_at - i.newest_at)::double precision,
           extract(epoch FROM i.stored_at - i.received_at)::double precision,
           greatest(b.highest, max(i.seq) OVER (
               PARTITION BY i.device_id, i.boot ORDER BY i.received_at, i.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ))
    FROM incoming i
    LEFT JOIN ledger_boot b ON b.device_id = i.device_id AND b.boot = i.boot;
END
$$;

-- A number above all before it opens a hole where it leaves some out. One below is late where a hole has it, and closes it, else a repeat.
CREATE FUNCTION ledger_close() RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_hole (device_id, boot, low, high, opened_at, lost)
    SELECT device_id, boot, coalesce(before + 1, 1), seq - 1, received_at, before IS NOT NULL
    FROM pg_temp.ledger_taken
    WHERE seq > coalesce(before, 0) + 1;

    UPDATE pg_temp.ledger_taken t SET late = true, low = c.low, high = c.high, opened_at = c.opened_at, lost = c.lost
    FROM (
        SELECT x.ctid AS place, h.*
        FROM (
            SELECT DISTINCT ON (device_id, boot, seq) ctid, device_id, boot, seq FROM pg_temp.ledger_taken
            WHERE seq <= before
            ORDER BY device_id, boot, seq, received_at
        ) x
        CROSS JOIN LATERAL (
            SELECT h.low, h.high, h.opened_at, h.lost FROM ledger_hole h
            WHERE h.device_id = x.device_id AND h.boot = x.boot AND h.low <= x.seq
            ORDER BY h.low DESC LIMIT 1
        ) h
        WHERE x.seq <= h.high
    ) c
    WHERE t.ctid = c.place;

    DELETE FROM ledger_hole h USING pg_temp.ledger_taken t
    WHERE t.late AND h.device_id = t.device_id AND h.boot = t.boot AND h.low = t.low;

    INSERT INTO ledger_hole (device_id, boot, low, high, opened_at, lost)
    SELECT device_id, boot, r.low, r.high, opened_at, r.lost
    FROM (
        SELECT t.*, lag(seq) OVER w AS previous, lead(seq) OVER w AS next
        FROM pg_temp.ledger_taken t
        WHERE late
        WINDOW w AS (PARTITION BY device_id, boot, low ORDER BY seq)
    ) c
    CROSS JOIN LATERAL (VALUES
        (coalesce(previous + 1, c.low), seq - 1, c.lost OR previous IS NOT NULL),
        (seq + 1, CASE WHEN next IS NULL THEN c.high END, true)) r (low, high, lost)
    WHERE r.high >= r.low;
END
$$;

CREATE FUNCTION ledger_fold(step interval) RETURNS TABLE (behind boolean, deliveries bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET client_min_messages = warning SET work_mem = '64MB' AS $$
#variable_conflict use_column
DECLARE
    since timestamptz;
    target timestamptz;
    until timestamptz;
BEGIN
    SELECT folded_until, noted_until INTO since, target FROM ledger_state FOR UPDATE;
    IF since = '-infinity' THEN
        SELECT least(min(range_start), target) INTO since FROM timescaledb_information.chunks WHERE hypertable_name = 'message';
    END IF;
    until := least(since + step, target);
    CREATE TEMPORARY TABLE IF NOT EXISTS ledger_taken (
        device_id integer, boot text, seq bigint, received_at timestamptz, rows integer, delay_s double precision,
        wait_s double precision, before bigint, late boolean DEFAULT false, low bigint, high bigint, opened_at timestamptz,
        lost boolean
    ) ON COMMIT DELETE ROWS;
    DELETE FROM pg_temp.ledger_taken;
    PERFORM ledger_take(since, until);
    PERFORM ledger_close();
    INSERT INTO ledger_5m AS m
    SELECT time_bucket('5 minutes', received_at), device_id, count(*), sum(t.rows), count(*) FILTER (WHERE seq <= before AND NOT t.late),
           count(*) FILTER (WHERE t.late), count(t.delay_s), coalesce(sum(t.delay_s), 0), max(t.delay_s), sum(t.wait_s), max(t.wait_s)
    FROM pg_temp.ledger_taken t
    GROUP BY 1, 2
    ON CONFLICT (bucket, device_id) DO UPDATE
    SET deliveries = m.deliveries + excluded.deliveries, rows = m.rows + excluded.rows, repeated = m.repeated + excluded.repeated,
        late = m.late + excluded.late, timed = m.timed + excluded.timed, delay_s = m.delay_s + excluded.delay_s,
        delay_max_s = greatest(m.delay_max_s, excluded.delay_max_s), wait_s = m.wait_s + excluded.wait_s,
        wait_max_s = greatest(m.wait_max_s, excluded.wait_max_s);
    INSERT INTO ledger_1h AS m
    SELECT time_bucket('1 hour', received_at), device_id, count(*), count(*) FILTER (WHERE seq <= before AND NOT t.late),
           count(*) FILTER (WHERE t.late)
    FROM pg_temp.ledger_taken t
    GROUP BY 1, 2
    ON CONFLICT (bucket, device_id) DO UPDATE
    SET deliveries = m.deliveries + excluded.deliveries, repeated = m.repeated + excluded.repeated, late = m.late + excluded.late;
    INSERT INTO ledger_boot AS b
    SELECT device_id, boot, max(seq), max(received_at) FROM pg_temp.ledger_taken GROUP BY 1, 2
    ON CONFLICT (device_id, boot) DO UPDATE
    SET highest = greatest(b.highest, excluded.highest), heard_at = greatest(b.heard_at, excluded.heard_at);
    UPDATE ledger_state SET folded_until = until;
    RETURN QUERY SELECT until < target, count(*) FROM pg_temp.ledger_taken;
END
$$;
COMMENT ON FUNCTION ledger_fold IS 'Sums up the next stretch of the ledger, and what came late; returns whether more is left.';

CREATE FUNCTION ledger_prune() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest timestamptz := now() - store_keep('messages');
BEGIN
    PERFORM drop_chunks('ingest_batch', older_than => INTERVAL '7 days');
    IF oldest IS NULL THEN
        RETURN;
    END IF;
    PERFORM drop_chunks('ledger_5m', older_than => oldest);
    PERFORM drop_chunks('ledger_1h', older_than => oldest);
    DELETE FROM ledger_hole WHERE opened_at < oldest;
    DELETE FROM ledger_boot WHERE heard_at < oldest;
END
$$;
COMMENT ON FUNCTION ledger_prune IS 'Forgets what is older than the ledger itself is kept, and batches after a week.';

CREATE VIEW ledger_summary AS
SELECT m.bucket, d.name AS device, m.deliveries, m.rows, m.repeated, m.late, m.timed, m.delay_s, m.delay_max_s, m.wait_s, m.wait_max_s,
       m.bucket + INTERVAL '5 minutes' <= s.folded_until AS whole
FROM ledger_5m m
LEFT JOIN device d ON d.id = m.device_id
CROSS JOIN ledger_state s;
COMMENT ON VIEW ledger_summary IS 'The ledger by device and five minutes; `whole` once all of them are summed up. Give a range of bucket.';

-- Whole intervals of five minutes: those that since and until lie in count. Hours that lie within are taken whole.
CREATE FUNCTION ledger_quality_between(since timestamptz, until timestamptz)
RETURNS TABLE (device text, messages bigint, lost bigint, repeated bigint, late bigint)
LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT d.name, m.messages, coalesce(h.lost, 0)::bigint, m.repeated, m.late
    FROM (
        SELECT device_id, sum(deliveries - repeated)::bigint AS messages, sum(repeated)::bigint AS repeated, sum(late)::bigint AS late
        FROM (
            SELECT device_id, deliveries, repeated, late FROM ledger_1h
            WHERE bucket > since - INTERVAL '5 minutes' AND bucket < until - INTERVAL '55 minutes'
            UNION ALL
            SELECT device_id, deliveries, repeated, late FROM ledger_5m
            WHERE bucket > since - INTERVAL '5 minutes' AND bucket < least(until, since + INTERVAL '55 minutes')
                  AND time_bucket('1 hour', bucket) <= since - INTERVAL '5 minutes'
            UNION ALL
            SELECT device_id, deliveries, repeated, late FROM ledger_5m
            WHERE bucket >= until - INTERVAL '55 minutes' AND bucket < until
                  AND time_bucket('1 hour', bucket) >= until - INTERVAL '55 minutes'
                  AND time_bucket('1 hour', bucket) > since - INTERVAL '5 minutes'
        ) part
        GROUP BY device_id
    ) m
    JOIN device d ON d.id = m.device_id
    LEFT JOIN (
        SELECT device_id, sum(high - low + 1) AS lost
        FROM ledger_hole
        WHERE opened_at >= time_bucket('5 minutes', since) AND opened_at < until AND ledger_hole.lost
        GROUP BY device_id
    ) h ON h.device_id = m.device_id;
END;
COMMENT ON FUNCTION ledger_quality_between IS 'Distinct, lost, repeated and late messages of each device, as summed up, received in [since, until).';

-- Without the summary the newest of a quiet day would be looked for in all of its rows.
CREATE VIEW ledger_age AS
SELECT extract(epoch FROM now() - nullif(folded_until, '-infinity'))::double precision AS age_s,
       greatest((SELECT max(heard_at) FROM ledger_boot),
                (SELECT max(received_at) FROM message WHERE received_at >= (SELECT folded_until FROM ledger_state))) AS newest_at
FROM ledger_state;
COMMENT ON VIEW ledger_age IS 'How far the summary of the ledger lags behind, null before the first; and receipt of the newest message of all.';

REVOKE EXECUTE ON FUNCTION ledger_note, ledger_take, ledger_close, ledger_fold, ledger_prune, ledger_quality_between, note_late_messages
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger_note, ledger_fold, ledger_prune TO wattline_ingestor;
GRANT EXECUTE ON FUNCTION ledger_quality_between TO wattline_gateway, wattline_grafana;
GRANT SELECT ON ledger_state TO wattline_ingestor;
GRANT SELECT ON ledger_summary, ledger_age TO wattline_gateway, wattline_grafana;
