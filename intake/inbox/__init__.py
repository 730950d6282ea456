"""The table `payload`: many writers' payloads in few commits, and an answer for each once it is there."""
