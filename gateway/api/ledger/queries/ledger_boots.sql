-- Boots of which something came, or was reported, in [$1, $2): of one device or of all.
SELECT b.device, b.boot, b.first_at, b.heard_at, b.last_seq, b.messages, b.lost, b.repeated, b.late, b.healed, b.resent, b.ended_seq,
       x.told_at AS ended_at
FROM ledger_boot_overview b
LEFT JOIN ledger_boot_end x ON x.device_id = b.device_id AND x.boot = b.boot
WHERE (b.heard_at >= $1 OR x.told_at >= $1) AND coalesce(b.first_at, '-infinity') < $2
      AND ($3::text IS NULL OR b.device = $3) AND (b.device, b.boot) > ($4, $5)
ORDER BY b.device, b.boot
LIMIT $6
