SELECT * FROM consumption_15m('2026-03-01 23:00Z'::timestamptz + :later,
                              '2026-03-02 23:00Z'::timestamptz + :later, ARRAY[1 + :run * 37])
