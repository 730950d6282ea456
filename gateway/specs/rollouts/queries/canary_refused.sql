-- Values that a version refuses and that none refused of the same meter before, as devices tell them that count nothing.
SELECT e.meter_id, min(e.detail ->> 'address') AS address
FROM event e
WHERE e.event = 'value_refused' AND e.meter_id = ANY($1::int[]) AND e.detail ->> 'spec' = $2 AND e.received_at >= $3
      AND NOT EXISTS (
          SELECT FROM event p
          WHERE p.event = 'value_refused' AND p.meter_id = e.meter_id AND p.detail ->> 'address' = e.detail ->> 'address'
                AND p.detail ->> 'spec' <> $2)
      AND NOT EXISTS (
          SELECT FROM event t
          WHERE t.event = 'decode_counts' AND t.meter_id = e.meter_id AND t.received_at >= $3)
GROUP BY e.meter_id
