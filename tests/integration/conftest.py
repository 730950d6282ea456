"""Integration tests run on the real servers that tests/conftest.py provides."""
