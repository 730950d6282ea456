"""Readings, roll-ups and consumption of any range as CSV or Parquet, page by page: for requests and for jobs."""
