"""`wattline worker`: jobs from the queue; kept frames decoded again, quarantine retried."""
