SELECT identity, kind, revoked_at IS NOT NULL AS revoked FROM credential
