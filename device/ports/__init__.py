"""Serial ports: found, opened, tried until a protocol answers, listened to or polled."""
