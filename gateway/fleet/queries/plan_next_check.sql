-- Often while it is fresh, ever more rarely then, never after 40 days; a meter that stands there is done with its opening.
UPDATE meter_stay s
SET check_at = CASE
    WHEN now() - s.changed_at > interval '40 days' THEN NULL
    WHEN s.removed_at IS NULL AND now() - s.changed_at > interval '1 day'
         AND EXISTS (SELECT FROM meter_register g WHERE g.stay_id = s.id) THEN NULL
    ELSE now() + least(interval '1 day', greatest(make_interval(secs => $2), (now() - s.changed_at) / 10)) END
WHERE s.id = ANY($1::integer[])
