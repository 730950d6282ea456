SELECT name AS job, state, 1::double precision AS value FROM store_job WHERE state IN ('failing', 'late')
