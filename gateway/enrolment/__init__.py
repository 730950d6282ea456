"""Devices let themselves in: the certificate authority, claims, and what is decided about each enrolment."""
