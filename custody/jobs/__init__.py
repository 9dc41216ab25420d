"""Jobs: what is asked for as a whole and done piece by piece, so that no call waits for all of it."""
