-- Whether what devices sent until $1 seconds ago is stored, by what ingestors note: by each of them, as any may have an owner's messages. One that
-- has noted nothing for $2 seconds is gone: alone nothing else is noted, and in a group what it had is sent again. Where none notes anything, of the
-- version before, by the lease of the upkeep, which one at work renews. Also where there has never been one.
SELECT coalesce((SELECT bool_and(caught_up_at > clock_timestamp() - make_interval(secs => $1))
                 FROM ingestor_link
                 WHERE greatest(noted_at, caught_up_at) > clock_timestamp() - make_interval(secs => $2)),
                expires_at > clock_timestamp() OR expires_at = '-infinity') AS ingesting
FROM upkeep_lease
