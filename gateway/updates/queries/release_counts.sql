SELECT running, desired, standing, count(*) AS devices FROM software_state
WHERE $1::int[] IS NULL OR device_id = ANY($1::int[])
GROUP BY running, desired, standing
ORDER BY count(*) DESC, running, desired, standing
