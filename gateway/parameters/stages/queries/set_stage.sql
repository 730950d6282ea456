UPDATE parameter_stage
SET state = $2, step = $3, why = $4, result = coalesce($5, result), changed_at = now(),
    step_at = CASE WHEN $6 OR step <> $3 THEN now() ELSE step_at END
WHERE id = $1
