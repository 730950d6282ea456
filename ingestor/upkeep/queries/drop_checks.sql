DELETE FROM profile_check c
USING unnest($1::integer[]) AS m (meter_id),
      LATERAL (SELECT k.day FROM profile_check k WHERE k.meter_id = m.meter_id
               ORDER BY k.day DESC OFFSET $2 LIMIT 1) AS newest
WHERE c.meter_id = m.meter_id AND c.day <= newest.day
