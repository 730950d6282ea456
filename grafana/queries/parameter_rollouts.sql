SELECT coalesce(r.spec, 'every spec is for all meters') AS "Spec", r.state AS "State", r.audience AS "For",
       CASE WHEN r.spec IS NOT NULL THEN coalesce(r.verdict, 'not judged yet') END AS "Verdict", r.meters AS "Meters",
       r.devices AS "Devices", r.telegrams AS "Telegrams", r.undecodable_percent AS "Undecodable",
       r.undecodable_percent_before AS "Before", r.undecodable_percent_rest AS "Others", r.implausible_percent AS "Implausible",
       r.silent_percent AS "Silent", r.author AS "Author", r.reason AS "Reason", r.changed_at AS "Changed"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT *
    FROM rollout_overview
    WHERE state = 'canary' OR $__timeFilter(changed_at)
    ORDER BY CASE WHEN state = 'canary' THEN 0 ELSE 1 END, changed_at DESC
    LIMIT 50
) r ON true
ORDER BY CASE WHEN r.state = 'canary' THEN 0 ELSE 1 END, r.changed_at DESC
