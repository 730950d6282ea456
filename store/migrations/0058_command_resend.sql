-- That a command is to be published again is one thing, and when the broker had it first another.
ALTER TABLE command ADD COLUMN resend_at timestamptz;
COMMENT ON COLUMN command.resend_at IS 'When its device connected anew before it had replied: it is published again. Null once it is.';
COMMENT ON COLUMN command.published_at IS 'When the broker acknowledged it, the first time.';
