INSERT INTO ledger_boot_end AS e (device_id, boot, seq, told_at)
SELECT * FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::timestamptz[])
ON CONFLICT (device_id, boot) DO UPDATE
SET seq = excluded.seq, told_at = excluded.told_at, folded = false
WHERE e.seq < excluded.seq
