-- A gateway of before keeps a newer message and leaves the mark of the one before it: the mark counts of its own time alone.
ALTER TABLE gateway_waiting ADD COLUMN marked_at timestamptz;
COMMENT ON COLUMN gateway_waiting.marked_at IS 'When dealt_at was written; where kept_at is another time, a gateway that knows no marks has kept the message.';
