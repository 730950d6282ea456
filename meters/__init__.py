"""What meters say: sans-io protocols, identification, specs as data, spec-driven decoding."""
