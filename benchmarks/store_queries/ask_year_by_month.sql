SELECT bucket, sum(value) FROM consumption_1mo('2025-10-31 23:00Z', '2026-10-31 23:00Z') GROUP BY 1 -- :run
