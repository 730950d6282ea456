SELECT count(*) FILTER (WHERE disputed_at IS NULL) AS waiting, count(*) FILTER (WHERE disputed_at IS NOT NULL) AS disputed
FROM meter_claim
WHERE shown AND refused_at IS NULL
