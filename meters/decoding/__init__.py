"""Telegrams into readings by a spec: values by OBIS code in canonical units, with their times and meters."""
