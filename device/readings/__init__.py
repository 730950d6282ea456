"""What becomes of each frame: whose it is, decoded, sampled, kept until its spec comes, or sent raw."""
