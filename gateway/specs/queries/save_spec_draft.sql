-- The same content again changes nothing, not even its author.
INSERT INTO spec_draft (name, version, document, source, sha256, generic, author, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (name, version) DO UPDATE
SET document = excluded.document, source = excluded.source, sha256 = excluded.sha256, generic = excluded.generic,
    author = excluded.author, reason = excluded.reason, saved_at = now()
WHERE spec_draft.source <> excluded.source
RETURNING name
