SELECT sum(value) FROM consumption_1h('2026-03-01 18:00Z'::timestamptz + :run * interval '5 days',
                                      '2026-03-01 19:00Z'::timestamptz + :run * interval '5 days')
