"""Reports: what stands where, for people and auditors. Everything is read; nothing is written."""
