"""The gateway's HTTP API from the command line's side."""
