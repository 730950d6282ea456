-- Files that jobs make and read, and jobs that are asked for by the clock.

CREATE TABLE job_file (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     bigint REFERENCES job (id) ON DELETE CASCADE,
    name       text NOT NULL,
    media      text NOT NULL,
    bytes      bigint NOT NULL DEFAULT 0,
    sha256     text,
    complete   boolean NOT NULL DEFAULT false,
    author     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX job_file_job_id ON job_file (job_id);
CREATE INDEX job_file_expires_at ON job_file (expires_at);
COMMENT ON TABLE job_file IS 'Files that jobs make (exports) and read (imports): bounded, and gone when they expire.';
COMMENT ON COLUMN job_file.job_id IS 'The job that made it; null of one that somebody sent, until a job reads it.';
COMMENT ON COLUMN job_file.complete IS 'Whether all of it is there; what is not belongs to nobody who is still at it.';

CREATE TABLE job_file_part (
    file_id bigint NOT NULL REFERENCES job_file (id) ON DELETE CASCADE,
    part    integer NOT NULL,
    data    bytea NOT NULL,
    PRIMARY KEY (file_id, part)
);
COMMENT ON TABLE job_file_part IS 'Its bytes, some 1 MiB each, from part 0 on.';

CREATE TABLE job_schedule (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,47}$'),
    kind       text NOT NULL,
    arguments  jsonb NOT NULL DEFAULT '{}',
    cron       text NOT NULL,
    zone       text NOT NULL,
    enabled    boolean NOT NULL DEFAULT true,
    author     text NOT NULL,
    reason     text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    next_at    timestamptz NOT NULL,
    last_at    timestamptz,
    last_job   bigint,
    error      text
);
CREATE INDEX job_schedule_next_at ON job_schedule (next_at) WHERE enabled;
COMMENT ON TABLE job_schedule IS 'Jobs that are asked for by the clock: one worker asks for each, once for each time.';
COMMENT ON COLUMN job_schedule.cron IS 'Minute, hour, day of month, month, day of week, by the clock of zone.';
COMMENT ON COLUMN job_schedule.next_at IS 'When it is due; times that passed while no worker ran are one job.';
COMMENT ON COLUMN job_schedule.error IS 'Why the last time gave no job.';

GRANT SELECT, INSERT, UPDATE, DELETE ON job_file, job_file_part, job_schedule TO wattline_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON job_file, job_file_part TO wattline_ingestor;
GRANT SELECT, UPDATE (next_at, last_at, last_job, error) ON job_schedule TO wattline_ingestor;
