SELECT meter, owner, device, since, claimed_at, seen_at, state, disputed_at, refused_at, refused_by
FROM meter_claim_overview
WHERE ($1::text IS NULL OR meter = $1) AND ($2::text IS NULL OR device = $2)
ORDER BY claimed_at DESC, meter, device
LIMIT $3
