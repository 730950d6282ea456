"""`wattline intake`: webhooks of third parties, proved, bounded, and answered once they are kept."""
