"""Which software a Pi may run: releases that their publishers signed (The Update Framework)."""
