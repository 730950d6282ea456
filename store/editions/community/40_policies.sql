-- Compression is TimescaleDB's scheduled job, by the settings. Retention is the ingestor's: it knows what is rolled up.

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT view_name::text AS name FROM timescaledb_information.continuous_aggregates WHERE view_name ~ '^agg_1'
    LOOP
        PERFORM remove_continuous_aggregate_policy(target.name::regclass, if_exists => true);
    END LOOP;
    FOR target IN SELECT unnest(ARRAY['reading', 'message', 'frame', 'event', 'agg_15m', 'agg_1h']) AS name LOOP
        PERFORM remove_retention_policy(target.name::regclass, if_exists => true);
    END LOOP;
    FOR target IN
        SELECT h.hypertable_name AS name, h.compression_enabled, t.segment, t.ordering
        FROM timescaledb_information.hypertables h
        JOIN (VALUES ('reading', 'series_id', 'time'), ('message', 'device_id', 'received_at')) t (name, segment, ordering)
             ON t.name = h.hypertable_name
    LOOP
        IF NOT target.compression_enabled THEN
            EXECUTE format('ALTER TABLE %I SET (timescaledb.compress, timescaledb.compress_segmentby = %L,'
                           ' timescaledb.compress_orderby = %L)', target.name, target.segment, target.ordering);
        END IF;
        PERFORM remove_compression_policy(target.name::text::regclass, if_exists => true);
        IF {{compress_after}} IS NOT NULL THEN
            PERFORM add_compression_policy(target.name::text::regclass, compress_after => {{compress_after}});
        END IF;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION store_retain() RETURNS TABLE (name text, dropped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    what record;
BEGIN
    FOR what IN
        SELECT t.hypertable, t.kept, now() - store_keep(t.setting) AS before, (
                   -- nothing goes before it is rolled up
                   SELECT min(_timescaledb_functions.to_timestamp(w.watermark))
                   FROM _timescaledb_catalog.continuous_agg a
                   JOIN _timescaledb_catalog.continuous_aggs_watermark w ON w.mat_hypertable_id = a.mat_hypertable_id
                   WHERE a.user_view_name = ANY (t.rolled_up_in)) AS shown
        FROM (VALUES ('reading', 'readings', 'readings', ARRAY['agg_15m']), ('message', 'messages', NULL, NULL),
                     ('frame', 'frames', NULL, NULL), ('event', 'events', NULL, NULL),
                     ('agg_15m', 'rollup_15m', 'rollup_15m', ARRAY['agg_1h', '{{agg_1d}}']),
                     ('agg_1h', 'rollup_1h', NULL, NULL)) t (hypertable, setting, kept, rolled_up_in)
    LOOP
        CONTINUE WHEN what.before IS NULL;
        name := what.hypertable;
        dropped := store_drop(what.hypertable::regclass, least(what.before, what.shown), what.kept);
        IF dropped > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store_retain IS 'Drops the chunks that are older than the settings keep; returns from which tables how many.';
REVOKE EXECUTE ON FUNCTION store_retain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_retain TO wattline_ingestor;
