SELECT sum(value) FROM consumption_1h('2026-03-01 18:00Z'::timestamptz + :later,
                                      '2026-03-01 19:00Z'::timestamptz + :later)
