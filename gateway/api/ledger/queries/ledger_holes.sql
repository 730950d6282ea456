-- Numbers that are missing as the summary has it, found so in [$1, $2).
SELECT device, boot, low, high, opened_at, lost
FROM ledger_hole_overview
WHERE opened_at >= $1 AND opened_at < $2 AND ($3::text IS NULL OR device = $3) AND (device, boot, low) > ($4, $5, $6)
ORDER BY device, boot, low
LIMIT $7
