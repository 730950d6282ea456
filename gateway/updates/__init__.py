"""What updaters make of the software that devices are to run: reports, their history, and who runs what."""
