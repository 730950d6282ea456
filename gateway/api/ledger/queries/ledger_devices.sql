-- Devices by name, from one on, with what the summary of the ledger says of messages received in [$1, $2).
SELECT device, messages, lost, repeated, late, healed, resent, implausible
FROM ledger_quality_between($1, $2)
WHERE device > $3 AND ($4::text IS NULL OR device = $4)
ORDER BY device
LIMIT $5
