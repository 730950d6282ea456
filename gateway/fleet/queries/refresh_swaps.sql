-- Events of swaps at some points get the registers that are known now.
UPDATE event e
SET detail = e.detail || jsonb_build_object('closing', v.closing, 'opening', v.opening)
FROM meter_stay n
JOIN meter_swap v ON v.stay_id = n.id
WHERE n.point_id = ANY($1::integer[]) AND n.told_at IS NOT NULL AND e.received_at = n.told_at AND e.source = 'gateway'
  AND e.event = 'meter_swapped' AND (e.detail ->> 'stay')::integer = n.id
