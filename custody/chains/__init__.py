"""Where: the only rooms that speak to a chain. They store nothing; one folder is one chain."""
