"""Third parties' payloads into readings and events: in turns by source, each portion in one transaction."""
