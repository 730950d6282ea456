-- What is missing for longer than a resend takes, and still counts as news.

CREATE VIEW ledger_open AS
SELECT d.name AS device, least(sum(h.high - h.low + 1), ledger_limit('sum'))::bigint AS numbers, count(*) AS holes, min(h.opened_at) AS since
FROM ledger_hole h
JOIN device d ON d.id = h.device_id
WHERE h.lost AND h.opened_at > now() - INTERVAL '1 day' AND h.opened_at < now() - INTERVAL '1 hour'
GROUP BY d.name;
COMMENT ON VIEW ledger_open IS 'Devices whose messages were found missing within the last day and have not come within an hour.';
GRANT SELECT ON ledger_open TO wattline_ingestor, wattline_gateway, wattline_grafana;
GRANT SELECT ON ledger_boot_end TO wattline_gateway;
