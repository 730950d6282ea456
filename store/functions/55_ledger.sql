-- The ledger of messages, and its summary by device and boot.

CREATE OR REPLACE FUNCTION event_delivery(device_id integer, boot text, seq bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5('event ' || device_id || ' ' || boot || ' ' || seq)::uuid;
COMMENT ON FUNCTION event_delivery IS 'The identity of a device''s event in delivery_claim.';

-- By what the meter itself states, and not by the message: whichever device reads it, and however often, it is one event.
CREATE OR REPLACE FUNCTION meter_event_delivery(meter_id integer, detail jsonb) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(concat_ws(' ', 'meter event', meter_id::text, detail ->> 'log', detail ->> 'stamp', detail ->> 'code', detail ->> 'values'))::uuid;
COMMENT ON FUNCTION meter_event_delivery IS 'The identity of an entry of a meter''s event log in delivery_claim.';

CREATE OR REPLACE FUNCTION delivery_claim_prune() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM delivery_claim
    -- greatest() leaves nulls out, and null is for ever
    WHERE store_keep('frames') IS NOT NULL AND store_keep('events') IS NOT NULL
          AND claimed_at < now() - greatest(store_keep('frames'), store_keep('events'))
$$;
COMMENT ON FUNCTION delivery_claim_prune IS 'Forgets claims that are older than frames and events are kept.';

-- A trigger, so that no writer can forget.
CREATE OR REPLACE FUNCTION note_late_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_late SELECT s.* FROM stored s, ledger_state t WHERE s.received_at < t.noted_until;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION ledger_limit(what text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE what WHEN 'jump' THEN 100000000 WHEN 'first' THEN 1000000000 WHEN 'boots' THEN 1000 WHEN 'sum' THEN 1000000000000
    WHEN 'fold' THEN 2500 END
$$;
COMMENT ON FUNCTION ledger_limit IS
    'What is believed of a device: numbers missed at once (jump), the first heard of a boot (first), boots a day (boots); the most'
    ' that a sum of missing numbers shows (sum); and deliveries that one transaction sums up (fold).';

CREATE OR REPLACE FUNCTION ledger_note(until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE ledger_state SET noted_until = until WHERE noted_until < until
$$;
COMMENT ON FUNCTION ledger_note IS 'From now on deliveries received before this time are noted as late.';

-- By the index from `since` on: the plan that looks cheaper sorts all that is behind, each time anew.
CREATE OR REPLACE FUNCTION ledger_until(since timestamptz, until timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_temp SET enable_seqscan = off SET enable_sort = off AS $$
    SELECT coalesce((
        SELECT greatest(received_at, since + INTERVAL '1 microsecond') FROM message
        WHERE received_at >= since AND received_at < until
        ORDER BY received_at OFFSET ledger_limit('fold') LIMIT 1
    ), until)
$$;
COMMENT ON FUNCTION ledger_until IS
    'The end of a stretch of the ledger that holds so many deliveries as one transaction sums up: more would hold up what is stored'
    ' meanwhile.';

-- What is to be folded in: the next stretch of the ledger, and what is noted as late and lies before it. Both in one statement,
-- hence of one moment: what is noted and lies within the stretch, or after it, is seen in the ledger itself.
CREATE OR REPLACE FUNCTION ledger_take(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    WITH noted AS (
        DELETE FROM ledger_late RETURNING *
    ), incoming AS (
        SELECT * FROM message WHERE received_at >= since AND received_at < until
        UNION ALL
        SELECT * FROM noted WHERE received_at < since
    ), judged AS (
        SELECT i.*, b.highest,
               i.seq > coalesce(b.highest + ledger_limit('jump'), ledger_limit('first')) AS implausible
        FROM incoming i
        LEFT JOIN ledger_boot b ON b.device_id = i.device_id AND b.boot = i.boot
    )
    INSERT INTO pg_temp.ledger_incoming (device_id, boot, seq, received_at, rows, delay_s, wait_s, resent, implausible, fresh, before)
    SELECT device_id, boot, seq, received_at, rows, extract(epoch FROM stored_at - newest_at)::double precision,
           extract(epoch FROM stored_at - received_at)::double precision, coalesce(resent > 0, false), implausible, highest IS NULL,
           greatest(highest, max(seq) FILTER (WHERE NOT implausible) OVER (
               PARTITION BY device_id, boot ORDER BY received_at, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ))
    FROM judged;

    WITH beyond AS (
        UPDATE pg_temp.ledger_incoming t SET implausible = true
        FROM (
            SELECT device_id, boot, row_number() OVER (PARTITION BY device_id ORDER BY min(received_at), boot) AS place
            FROM pg_temp.ledger_incoming
            WHERE fresh AND NOT implausible
            GROUP BY 1, 2
        ) n
        LEFT JOIN (
            SELECT device_id, count(*) AS boots FROM ledger_boot
            WHERE heard_at > until - INTERVAL '1 day'
                  AND device_id IN (SELECT device_id FROM pg_temp.ledger_incoming WHERE fresh AND NOT implausible)
            GROUP BY 1
        ) k ON k.device_id = n.device_id
        WHERE t.device_id = n.device_id AND t.boot = n.boot AND n.place + coalesce(k.boots, 0) > ledger_limit('boots')
        RETURNING t.device_id
    )
    INSERT INTO quota_day AS q (day, device_id, quota, used, allowed, cut, cut_at)
    SELECT (now() AT TIME ZONE 'UTC')::date, device_id, 'boots', ledger_limit('boots'), ledger_limit('boots'), count(*), now()
    FROM beyond
    GROUP BY device_id
    ORDER BY device_id
    ON CONFLICT (day, device_id, quota) DO UPDATE SET cut = q.cut + excluded.cut, cut_at = excluded.cut_at;
END
$$;

-- A number above all before it opens a hole where it leaves some out. One below is late where a hole has it, and closes it, else a repeat.
CREATE OR REPLACE FUNCTION ledger_close() RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_hole (device_id, boot, low, high, opened_at, lost)
    SELECT device_id, boot, coalesce(before + 1, 1), seq - 1, received_at, before IS NOT NULL
    FROM pg_temp.ledger_incoming
    WHERE NOT implausible AND seq > coalesce(before, 0) + 1;

    UPDATE pg_temp.ledger_incoming t SET late = true, low = c.low, high = c.high, opened_at = c.opened_at, lost = c.lost
    FROM (
        SELECT x.ctid AS place, h.*
        FROM (
            SELECT DISTINCT ON (device_id, boot, seq) ctid, device_id, boot, seq FROM pg_temp.ledger_incoming
            WHERE NOT implausible AND seq <= before
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

    DELETE FROM ledger_hole h USING pg_temp.ledger_incoming t
    WHERE t.late AND h.device_id = t.device_id AND h.boot = t.boot AND h.low = t.low;

    INSERT INTO ledger_hole (device_id, boot, low, high, opened_at, lost)
    SELECT device_id, boot, r.low, r.high, opened_at, r.lost
    FROM (
        SELECT t.*, lag(seq) OVER w AS previous, lead(seq) OVER w AS next
        FROM pg_temp.ledger_incoming t
        WHERE late
        WINDOW w AS (PARTITION BY device_id, boot, low ORDER BY seq)
    ) c
    CROSS JOIN LATERAL (VALUES
        (coalesce(previous + 1, c.low), seq - 1, c.lost OR previous IS NOT NULL),
        (seq + 1, CASE WHEN next IS NULL THEN c.high END, true)) r (low, high, lost)
    WHERE r.high >= r.low;
END
$$;

-- Into the holes and the sums what stands in ledger_incoming.
CREATE OR REPLACE FUNCTION ledger_add() RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM ledger_close();
    UPDATE pg_temp.ledger_incoming SET repeated = true WHERE NOT implausible AND NOT late AND seq <= before;
    INSERT INTO ledger_5m AS m (bucket, device_id, deliveries, rows, repeated, late, healed, resent, implausible, timed, delay_s, delay_max_s,
                                wait_s, wait_max_s)
    SELECT time_bucket('5 minutes', received_at), device_id, count(*), sum(t.rows), count(*) FILTER (WHERE t.repeated),
           count(*) FILTER (WHERE t.late), count(*) FILTER (WHERE t.late AND t.resent), count(*) FILTER (WHERE t.resent),
           count(*) FILTER (WHERE t.implausible), count(t.delay_s), coalesce(sum(t.delay_s), 0), max(t.delay_s), sum(t.wait_s), max(t.wait_s)
    FROM pg_temp.ledger_incoming t
    GROUP BY 1, 2
    ON CONFLICT (bucket, device_id) DO UPDATE
    SET deliveries = m.deliveries + excluded.deliveries, rows = m.rows + excluded.rows, repeated = m.repeated + excluded.repeated,
        late = m.late + excluded.late, healed = m.healed + excluded.healed, resent = m.resent + excluded.resent,
        implausible = m.implausible + excluded.implausible, timed = m.timed + excluded.timed, delay_s = m.delay_s + excluded.delay_s,
        delay_max_s = greatest(m.delay_max_s, excluded.delay_max_s), wait_s = m.wait_s + excluded.wait_s,
        wait_max_s = greatest(m.wait_max_s, excluded.wait_max_s);
    INSERT INTO ledger_1h AS m (bucket, device_id, deliveries, repeated, late, healed, resent, implausible)
    SELECT time_bucket('1 hour', received_at), device_id, count(*), count(*) FILTER (WHERE t.repeated), count(*) FILTER (WHERE t.late),
           count(*) FILTER (WHERE t.late AND t.resent), count(*) FILTER (WHERE t.resent), count(*) FILTER (WHERE t.implausible)
    FROM pg_temp.ledger_incoming t
    GROUP BY 1, 2
    ON CONFLICT (bucket, device_id) DO UPDATE
    SET deliveries = m.deliveries + excluded.deliveries, repeated = m.repeated + excluded.repeated, late = m.late + excluded.late,
        healed = m.healed + excluded.healed, resent = m.resent + excluded.resent, implausible = m.implausible + excluded.implausible;
    -- a boot that was heard before its deliveries were counted stays uncounted: null and anything is null
    INSERT INTO ledger_boot AS b (device_id, boot, highest, heard_at, first_at, deliveries, repeated, late, healed, resent)
    SELECT device_id, boot, max(seq), max(received_at), min(received_at), count(*), count(*) FILTER (WHERE t.repeated),
           count(*) FILTER (WHERE t.late), count(*) FILTER (WHERE t.late AND t.resent), count(*) FILTER (WHERE t.resent)
    FROM pg_temp.ledger_incoming t
    WHERE NOT t.implausible
    GROUP BY 1, 2
    ON CONFLICT (device_id, boot) DO UPDATE
    SET highest = greatest(b.highest, excluded.highest), heard_at = greatest(b.heard_at, excluded.heard_at),
        first_at = CASE WHEN b.first_at IS NOT NULL THEN least(b.first_at, excluded.first_at) END,
        deliveries = b.deliveries + excluded.deliveries,
        repeated = b.repeated + excluded.repeated, late = b.late + excluded.late, healed = b.healed + excluded.healed,
        resent = b.resent + excluded.resent;
END
$$;

-- An error that lies in one device's rows must not stop the others: each by itself, and whose fails is left out and told of.
CREATE OR REPLACE FUNCTION ledger_add_each(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    one integer;
BEGIN
    CREATE TEMPORARY TABLE ledger_waiting ON COMMIT DROP AS SELECT * FROM pg_temp.ledger_incoming;
    FOR one IN SELECT DISTINCT device_id FROM pg_temp.ledger_waiting LOOP
        DELETE FROM pg_temp.ledger_incoming;
        INSERT INTO pg_temp.ledger_incoming SELECT * FROM pg_temp.ledger_waiting WHERE device_id = one;
        BEGIN
            PERFORM ledger_add();
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
            INSERT INTO ledger_skipped (device_id, since, until, error) VALUES (one, since, until, SQLERRM);
            PERFORM ledger_tell(one, 'ledger_skipped', jsonb_build_object('since', since, 'until', until, 'error', SQLERRM));
        END;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION ledger_tell(device integer, what text, detail jsonb) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    INSERT INTO event (received_at, at, device_id, source, event, severity, detail)
    VALUES (clock_timestamp(), clock_timestamp(), device, 'ingestor', what, 'warning', detail)
$$;

-- Once a day and device: who sends implausible numbers sends many.
CREATE OR REPLACE FUNCTION ledger_tell_implausible() RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM ledger_tell(o.device_id, 'numbers_implausible', jsonb_build_object('boot', o.boot, 'seq', o.seq, 'deliveries', o.deliveries))
    FROM (
        SELECT DISTINCT ON (device_id) device_id, boot, seq, count(*) OVER (PARTITION BY device_id) AS deliveries, received_at
        FROM pg_temp.ledger_incoming
        WHERE implausible
        ORDER BY device_id, received_at
    ) o
    WHERE NOT EXISTS (
        SELECT FROM ledger_1h h
        WHERE h.device_id = o.device_id AND h.implausible > 0 AND h.bucket > o.received_at - INTERVAL '1 day' AND h.bucket <= o.received_at
    );
END
$$;

-- How far a boot got, as the next one told: a hole from the highest number that has come to the last that there was. What comes
-- late closes it as any other. A number below what has come says nothing.
CREATE OR REPLACE FUNCTION ledger_end_boots(until timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    WITH told AS (
        UPDATE ledger_boot_end SET folded = true WHERE NOT folded AND told_at < until RETURNING device_id, boot, seq, told_at
    ), fresh AS (
        SELECT t.*, b.highest,
               CASE WHEN b.highest IS NULL THEN row_number() OVER (PARTITION BY t.device_id, b.highest IS NULL ORDER BY t.told_at, t.boot)
               END AS place
        FROM told t
        LEFT JOIN ledger_boot b ON b.device_id = t.device_id AND b.boot = t.boot
    ), ended AS (
        SELECT f.*
        FROM fresh f
        LEFT JOIN (
            SELECT device_id, count(*) AS boots FROM ledger_boot
            WHERE heard_at > until - INTERVAL '1 day' AND device_id IN (SELECT device_id FROM fresh WHERE place IS NOT NULL)
            GROUP BY 1
        ) k ON k.device_id = f.device_id
        WHERE f.seq > coalesce(f.highest, 0) AND f.seq <= coalesce(f.highest + ledger_limit('jump'), ledger_limit('first'))
              AND (f.place IS NULL OR f.place + coalesce(k.boots, 0) <= ledger_limit('boots'))
    ), raised AS (
        INSERT INTO ledger_boot AS b (device_id, boot, highest, heard_at, first_at, deliveries, repeated, late, healed, resent)
        SELECT device_id, boot, seq, told_at, told_at, 0, 0, 0, 0, 0 FROM ended
        ON CONFLICT (device_id, boot) DO UPDATE SET highest = excluded.highest
    )
    INSERT INTO ledger_hole (device_id, boot, low, high, opened_at, lost)
    SELECT device_id, boot, coalesce(highest, 0) + 1, seq, told_at, true FROM ended
    ON CONFLICT DO NOTHING;
END
$$;

CREATE OR REPLACE FUNCTION ledger_fold(step interval) RETURNS TABLE (behind boolean, deliveries bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET client_min_messages = warning SET work_mem = '64MB' AS $$
#variable_conflict use_column
DECLARE
    since timestamptz;
    target timestamptz;
    until timestamptz;
    taken bigint;
BEGIN
    SELECT folded_until, noted_until INTO since, target FROM ledger_state FOR UPDATE;
    IF since = '-infinity' THEN
        SELECT least(min(range_start), target) INTO since FROM timescaledb_information.chunks WHERE hypertable_name = 'message';
    END IF;
    until := ledger_until(since, least(since + step, target));
    CREATE TEMPORARY TABLE IF NOT EXISTS ledger_incoming (
        device_id integer, boot text, seq bigint, received_at timestamptz, rows integer, delay_s double precision,
        wait_s double precision, before bigint, resent boolean, implausible boolean, fresh boolean, repeated boolean DEFAULT false,
        late boolean DEFAULT false, low bigint, high bigint, opened_at timestamptz, lost boolean
    ) ON COMMIT DELETE ROWS;
    DELETE FROM pg_temp.ledger_incoming;
    PERFORM ledger_take(since, until);
    taken := (SELECT count(*) FROM pg_temp.ledger_incoming);
    PERFORM ledger_tell_implausible();
    BEGIN
        PERFORM ledger_add();
    EXCEPTION WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
        PERFORM ledger_add_each(since, until);
    END;
    PERFORM ledger_end_boots(until);
    UPDATE ledger_state SET folded_until = until;
    RETURN QUERY SELECT until < target, taken;
END
$$;
COMMENT ON FUNCTION ledger_fold IS 'Sums up the next stretch of the ledger, and what came late; returns whether more is left.';

CREATE OR REPLACE FUNCTION ledger_prune() RETURNS void
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
    DELETE FROM ledger_boot_end WHERE told_at < oldest;
    DELETE FROM ledger_skipped WHERE at < oldest;
END
$$;
COMMENT ON FUNCTION ledger_prune IS 'Forgets what is older than the ledger itself is kept, and batches after a week.';

REVOKE EXECUTE ON FUNCTION delivery_claim_prune, note_late_messages, ledger_note, ledger_until, ledger_take,
    ledger_close, ledger_add, ledger_add_each, ledger_tell, ledger_tell_implausible, ledger_end_boots, ledger_fold, ledger_prune
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION delivery_claim_prune, ledger_note, ledger_fold, ledger_prune TO wattline_ingestor;
