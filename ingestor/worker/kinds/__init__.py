"""How each kind of jobs is done, a file a kind; what it is asked for and how it is treated is in `store/kinds/`."""
