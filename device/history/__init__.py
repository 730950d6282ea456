"""What meters remember: which spans were missed, read in slices beside live reads, delivered as `source: profile`."""
