SELECT spec AS "Spec", state AS "State", audience AS "For", coalesce(verdict, 'not judged yet') AS "Verdict", meters AS "Meters",
       devices AS "Devices", telegrams AS "Telegrams", undecodable_percent AS "Undecodable",
       undecodable_percent_before AS "Before", undecodable_percent_rest AS "Others", implausible_percent AS "Implausible",
       silent_percent AS "Silent", author AS "Author", reason AS "Reason", changed_at AS "Changed"
FROM rollout_overview
WHERE state = 'canary' OR $__timeFilter(changed_at)
ORDER BY CASE WHEN state = 'canary' THEN 0 ELSE 1 END, changed_at DESC
LIMIT 50
