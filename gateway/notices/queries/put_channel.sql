INSERT INTO notice_channel (name, kind, shown, sealed, master, author)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE
SET kind = EXCLUDED.kind, shown = EXCLUDED.shown, sealed = EXCLUDED.sealed, master = EXCLUDED.master, author = EXCLUDED.author,
    changed_at = now(), failures = 0, not_before = NULL, answer = NULL, answered_at = NULL
