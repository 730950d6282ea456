-- Jobs of every kind: what each is asked for, how far it is, and what became of it, in columns that all of them share.

ALTER TABLE job DROP CONSTRAINT job_kind_check;
ALTER TABLE job ADD CONSTRAINT job_kind_check CHECK (kind ~ '^[a-z][a-z0-9_]{0,31}$');
ALTER TABLE job ALTER COLUMN spec SET DEFAULT '';
ALTER TABLE job ALTER COLUMN automatic SET DEFAULT false;
ALTER TABLE job
    ADD COLUMN arguments jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN priority smallint NOT NULL DEFAULT 0,
    ADD COLUMN key text,
    ADD COLUMN schedule text,
    ADD COLUMN not_before timestamptz,
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN deaths integer NOT NULL DEFAULT 0,
    ADD COLUMN done bigint NOT NULL DEFAULT 0,
    ADD COLUMN total bigint,
    ADD COLUMN saved jsonb,
    ADD COLUMN result jsonb;
CREATE UNIQUE INDEX job_key ON job (kind, key) WHERE key IS NOT NULL;
CREATE INDEX job_waiting ON job (kind, state) WHERE state IN ('queued', 'running');
CREATE INDEX job_ended ON job (finished_at) WHERE finished_at IS NOT NULL;
COMMENT ON COLUMN job.kind IS 'What is done: a name of store/kinds, which the workers know how to do.';
COMMENT ON COLUMN job.spec IS 'Of kept frames: what decodes them; empty of the kinds that need none.';
COMMENT ON COLUMN job.arguments IS 'What it was asked for, as its kind''s model says; never a secret.';
COMMENT ON COLUMN job.priority IS 'Those of a higher one are taken first.';
COMMENT ON COLUMN job.key IS 'What it is about, by its kind: as long as the row is kept there is no second one of the same key.';
COMMENT ON COLUMN job.schedule IS 'The name of the schedule that asked for it.';
COMMENT ON COLUMN job.not_before IS 'When it may be taken: later than at once where it is tried again after a failure.';
COMMENT ON COLUMN job.failures IS 'How often it failed; its kind says how often it may before it is dead (failed).';
COMMENT ON COLUMN job.deaths IS 'How often its worker died over it since it last got further.';
COMMENT ON COLUMN job.done IS 'How far it is, of total, in its kind''s own units; null total where nobody knows it yet.';
COMMENT ON COLUMN job.saved IS 'Where the next worker goes on, as its kind wrote it with the work itself.';
COMMENT ON COLUMN job.result IS 'What came of it, as its kind says it.';

-- Whoever follows a job sees each hundredth of it.
CREATE OR REPLACE TRIGGER change_new AFTER INSERT ON job
    FOR EACH ROW EXECUTE FUNCTION note_change('job', 'id', 'spec', 'state', 'kind');
CREATE OR REPLACE TRIGGER change_state AFTER UPDATE ON job FOR EACH ROW
    WHEN (old.state <> new.state
          OR old.done * 100 / greatest(old.total, 1) IS DISTINCT FROM new.done * 100 / greatest(new.total, 1)
          OR old.frames * 100 / greatest(old.total_frames, 1) IS DISTINCT FROM new.frames * 100 / greatest(new.total_frames, 1))
    EXECUTE FUNCTION note_change('job', 'id', 'spec', 'state', 'kind');

-- The worker, too, may ask for jobs.
GRANT INSERT ON job, pgqueuer TO wattline_ingestor;
GRANT USAGE ON SEQUENCE pgqueuer_id_seq TO wattline_ingestor;
