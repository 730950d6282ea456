SELECT * FROM consumption_15m('2026-03-01 23:00Z'::timestamptz + :run * interval '5 days',
                              '2026-03-02 23:00Z'::timestamptz + :run * interval '5 days', ARRAY[1 + :run * 37])
