-- Whether it was told within the hour that a renewal of device $1 was refused; a device may have no row yet.
SELECT EXISTS (
    SELECT FROM event
    WHERE source = 'gateway' AND event = 'renewal_refused' AND detail->>'device' = $1
          AND received_at > now() - interval '1 hour'
)
