"""The append-only, hash-chained log of every state change, and alarms that are each raised once."""
