-- Each gateway is given the same message: who claims it enters it.
INSERT INTO delivery_claim AS c (delivery, claimed_at) VALUES ($1, now())
ON CONFLICT (delivery) DO UPDATE SET claimed_at = now() WHERE c.claimed_at < now() - $2::interval
RETURNING TRUE
