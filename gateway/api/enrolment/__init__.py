"""Enrolment over HTTP: EST for devices on a listener of its own, and the API's routes for people."""
