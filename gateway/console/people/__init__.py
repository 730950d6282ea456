"""Who one is: logging in by password, token or OpenID Connect, and one's own password."""
