"""Each reading as a line of InfluxDB's line protocol, posted to whoever takes it: InfluxDB 1 to 3, Telegraf."""
