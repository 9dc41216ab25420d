"""The servers themselves keep what they promise."""
