"""Real Mosquitto and PostgreSQL with TimescaleDB on this machine, for the demo, the benchmarks and the tests."""
