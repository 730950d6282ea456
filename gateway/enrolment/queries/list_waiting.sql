SELECT address, count(*)::int AS waiting,
       (count(*) FILTER (WHERE device = $1 AND claim IS NOT DISTINCT FROM $2))::int AS of_device
FROM enrolment WHERE state = 'waiting'
GROUP BY address
