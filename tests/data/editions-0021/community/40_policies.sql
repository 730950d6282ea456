-- What TimescaleDB does by itself, by the settings. A refresh reads what changed and no more, so its window may be all of
-- the time that is kept: late readings are found however old they are. It ends a day before retention, so that what
-- readings made does not go with them.

SELECT remove_continuous_aggregate_policy('agg_15m', if_exists => true);
SELECT remove_continuous_aggregate_policy('agg_1h', if_exists => true);
SELECT remove_continuous_aggregate_policy('{{agg_1d}}', if_exists => true);
SELECT remove_continuous_aggregate_policy('{{agg_1mo}}', if_exists => true);
SELECT add_continuous_aggregate_policy('agg_15m', start_offset => {{keep_readings}} - INTERVAL '1 day',
    end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('agg_1h', start_offset => {{keep_rollup_15m}} - INTERVAL '1 day',
    end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('{{agg_1d}}', start_offset => {{keep_rollup_15m}} - INTERVAL '1 day',
    end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('{{agg_1mo}}', start_offset => NULL,
    end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');

-- One bucket in a transaction, as is the default, would take hours for the quarter-hours of a few years.
SELECT alter_job(job_id, config => config || '{"buckets_per_batch": 672}')
FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate';

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT * FROM (VALUES
            ('reading', {{keep_readings}}), ('message', {{keep_messages}}), ('frame', {{keep_frames}}),
            ('event', {{keep_events}}), ('agg_15m', {{keep_rollup_15m}}), ('agg_1h', {{keep_rollup_1h}})) t (name, keep)
    LOOP
        PERFORM remove_retention_policy(target.name::regclass, if_exists => true);
        IF target.keep IS NOT NULL THEN
            PERFORM add_retention_policy(target.name::regclass, drop_after => target.keep);
        END IF;
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
