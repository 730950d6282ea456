"""What meters send, protocol by protocol: framers, parsers, encoders; bytes in, neutral records out. Sans-io."""
