"""Words every room shares: money, ids, errors, canonical JSON, time. Imports nothing of ours and does no I/O."""
