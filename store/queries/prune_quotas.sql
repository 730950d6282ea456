SELECT quota_prune()
