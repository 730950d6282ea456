SELECT delivery_claim_prune()
