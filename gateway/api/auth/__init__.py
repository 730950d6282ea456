"""Who may do what: tokens, sessions, roles, rate limits, and the routes about them."""
