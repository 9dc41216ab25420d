"""The daemon is the attacker's: everything a cosigner is shown, changed in every way a generator can think of."""
