-- Background jobs: what people see of them (job, job_meter), and the queue that hands them out (PgQueuer 1.6.0).

CREATE TABLE job (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind               text NOT NULL DEFAULT 'redecode' CHECK (kind = 'redecode'),
    state              text NOT NULL DEFAULT 'queued'
                       CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    spec               text NOT NULL,
    since              timestamptz,
    automatic          boolean NOT NULL,
    author             text NOT NULL,
    reason             text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    started_at         timestamptz,
    changed_at         timestamptz NOT NULL DEFAULT now(),
    finished_at        timestamptz,
    worker             uuid,
    attempts           integer NOT NULL DEFAULT 0,
    last_frame         bigint,
    total_frames       bigint,
    cursor_meter       integer,
    cursor_received_at timestamptz,
    cursor_frame       bigint,
    frames             bigint NOT NULL DEFAULT 0,
    undecodable        bigint NOT NULL DEFAULT 0,
    readings           bigint NOT NULL DEFAULT 0,
    repeated           bigint NOT NULL DEFAULT 0,
    refused            bigint NOT NULL DEFAULT 0,
    note               text,
    error              text
);
CREATE INDEX job_unfinished ON job (spec) WHERE state IN ('queued', 'running');
COMMENT ON TABLE job IS 'Work beside the requests, such as kept frames decoded again into history; kept for 90 days.';
COMMENT ON COLUMN job.since IS 'Frames that the device took before are left out; null takes all.';
COMMENT ON COLUMN job.automatic IS 'Queued because meters got the spec: those that have another by now are left out.';
COMMENT ON COLUMN job.worker IS 'Who has it in hand: a worker that finds another one here has lost it and writes nothing.';
COMMENT ON COLUMN job.attempts IS 'How often a worker took it up.';
COMMENT ON COLUMN job.last_frame IS 'The newest frame when it was first taken up; later ones are not its concern.';
COMMENT ON COLUMN job.cursor_frame IS 'The last frame done, with cursor_meter and cursor_received_at: where the next worker goes on.';
COMMENT ON COLUMN job.frames IS 'Frames done, undecodable ones included.';
COMMENT ON COLUMN job.readings IS 'Readings that were new to history; `repeated` were there already, `refused` went to quarantine.';
COMMENT ON COLUMN job.note IS 'What was wrong with the first frame that could not be decoded.';

CREATE TABLE job_meter (
    job_id      bigint NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    meter_id    integer NOT NULL REFERENCES meter (id),
    frames      bigint NOT NULL DEFAULT 0,
    undecodable bigint NOT NULL DEFAULT 0,
    first_at    timestamptz,
    last_at     timestamptz,
    PRIMARY KEY (job_id, meter_id)
);
CREATE INDEX job_meter_meter_id ON job_meter (meter_id);
COMMENT ON TABLE job_meter IS 'The meters of a job, with the times of the first and last reading that their frames gave, sub-meters'' included.';

CREATE VIEW job_overview AS
SELECT j.id AS job_id, j.kind, j.state, j.spec, j.since, j.automatic, j.author, j.reason, coalesce(m.meters, 0) AS meters,
       j.total_frames, j.frames, j.undecodable, j.readings, j.repeated, j.refused,
       CASE WHEN j.state = 'done' THEN 1
            WHEN j.total_frames > 0 THEN least(1, j.frames / j.total_frames::double precision)
       END AS progress,
       CASE WHEN j.changed_at > j.started_at
            THEN j.frames / extract(epoch FROM j.changed_at - j.started_at)::double precision
       END AS frames_s,
       j.created_at, j.started_at, j.changed_at, j.finished_at, j.attempts, j.note, j.error
FROM job j
LEFT JOIN (SELECT job_id, count(*) AS meters FROM job_meter GROUP BY job_id) m ON m.job_id = j.id;
COMMENT ON VIEW job_overview IS 'Jobs with their progress (0 to 1) and speed.';

-- The gateway queues jobs, cancels them and clears away old ones; the worker, in the ingestor's role, does them.
GRANT SELECT, INSERT, UPDATE, DELETE ON job, job_meter TO wattline_gateway;
GRANT SELECT, UPDATE ON job TO wattline_ingestor;
GRANT SELECT, UPDATE, DELETE ON job_meter TO wattline_ingestor;
GRANT SELECT ON spec, meter_spec, job_overview TO wattline_ingestor;
GRANT SELECT (device_id, document) ON desired TO wattline_ingestor;
GRANT SELECT ON SEQUENCE frame_id_seq TO wattline_ingestor;
GRANT SELECT ON job_overview TO wattline_gateway, wattline_grafana;

-- From here on as `pgq sql install` of PgQueuer 1.6.0 prints it, which pyproject.toml pins.
-- pgqueuer 1.6.0 -- prefix='' schema=None durability=durable

CREATE TYPE pgqueuer_status AS ENUM ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');

CREATE TABLE pgqueuer (
    id bigserial NOT NULL PRIMARY KEY,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    execute_after timestamp with time zone NOT NULL DEFAULT now(),
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer NOT NULL DEFAULT 0,
    slot bigint
);

CREATE TABLE pgqueuer_log (
    id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT now(),
    job_id bigint NOT NULL,
    status pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

CREATE TABLE pgqueuer_schedules (
    id bigserial NOT NULL PRIMARY KEY,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone NOT NULL DEFAULT now(),
    created timestamp with time zone NOT NULL DEFAULT now(),
    updated timestamp with time zone NOT NULL DEFAULT now(),
    next_run timestamp with time zone NOT NULL DEFAULT now(),
    last_run timestamp with time zone,
    status pgqueuer_status DEFAULT 'queued'::pgqueuer_status,
    UNIQUE (expression, entrypoint)
);

CREATE TABLE pgqueuer_statistics (
    id bigserial NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL DEFAULT date_trunc('sec'::text, now()),
    count bigint NOT NULL,
    priority integer NOT NULL,
    status pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE INDEX pgqueuer_ep_ea_idx ON pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_log_status ON pgqueuer_log USING btree (status);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_priority_id_id1_idx ON pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::pgqueuer_status);

CREATE INDEX pgqueuer_queue_manager_id_idx ON pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::pgqueuer_status, 'picked'::pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX pgqueuer_updated_id_id1_idx ON pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::pgqueuer_status);

CREATE FUNCTION fn_pgqueuer_changed() RETURNS TRIGGER AS $$
DECLARE
    to_emit BOOLEAN := false;  -- Flag to decide whether to emit a notification
BEGIN
    -- Check operation type and set the emit flag accordingly
    IF TG_OP = 'UPDATE' AND OLD IS DISTINCT FROM NEW THEN
        to_emit := true;
    ELSIF TG_OP = 'DELETE' THEN
        to_emit := true;
    ELSIF TG_OP = 'INSERT' THEN
        to_emit := true;
    ELSIF TG_OP = 'TRUNCATE' THEN
        to_emit := true;
    END IF;

    -- Perform notification if the emit flag is set
    IF to_emit THEN
        PERFORM pg_notify(
            'ch_pgqueuer',
            json_build_object(
                'channel', 'ch_pgqueuer',
                'operation', lower(TG_OP),
                'sent_at', NOW(),
                'table', TG_TABLE_NAME,
                'type', 'table_changed_event'
            )::text
        );
    END IF;

    -- Return appropriate value based on the operation
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSE
        RETURN NULL; -- For TRUNCATE and other non-row-specific contexts
    END IF;

END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER tg_pgqueuer_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pgqueuer
EXECUTE FUNCTION fn_pgqueuer_changed();

-- Ours again: who may use the queue. The gateway only enqueues and clears the log of old jobs away.
GRANT SELECT, INSERT, UPDATE ON pgqueuer TO wattline_gateway;
GRANT SELECT, INSERT, DELETE ON pgqueuer_log TO wattline_gateway;
GRANT SELECT, UPDATE, DELETE ON pgqueuer TO wattline_ingestor;
GRANT SELECT, INSERT, UPDATE ON pgqueuer_log, pgqueuer_statistics TO wattline_ingestor;
GRANT USAGE ON SEQUENCE pgqueuer_id_seq TO wattline_gateway;
GRANT USAGE ON SEQUENCE pgqueuer_statistics_id_seq TO wattline_ingestor;
