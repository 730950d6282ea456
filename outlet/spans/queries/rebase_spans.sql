-- a database that was restored elsewhere counts transactions anew: what lies ahead of it would never be reached
WITH ahead AS (
    UPDATE outlet_cursor SET xid = '0', span_id = 0, made_in = pg_current_xact_id()
    WHERE xid >= pg_snapshot_xmax(pg_current_snapshot()) OR made_in > pg_current_xact_id()
    RETURNING name
)
UPDATE stored_span SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
