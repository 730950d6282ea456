"""The kinds of jobs: what each is asked for, and how it is treated. What is done is in `ingestor/worker/kinds/`."""
