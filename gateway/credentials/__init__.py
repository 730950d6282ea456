"""Who may log in at the broker as which device: granted, shown, revoked, given a new password."""
