"""How parameters change: by scope, with a history, at once or in stages."""
