"""Two plain pages for operators: registering a passkey, and giving a verdict with it."""
