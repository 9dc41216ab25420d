"""Opening clients: a signed and approved ``client_opening`` intent says whose a vault is, and nothing else does."""
