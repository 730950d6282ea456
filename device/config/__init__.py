"""The desired configuration and the specs: taken or refused, tried out, reverted, kept on disk."""
