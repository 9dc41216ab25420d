"""Settings and the tables that ship with the daemon. Imports nothing of the rest of the house."""
