SELECT name, state, failures, coalesce(error, '') AS error FROM store_job WHERE state IN ('failing', 'late') ORDER BY name
