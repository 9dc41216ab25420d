"""Listings: which destinations a client's people agreed to, since when they count, and what lives at an address."""
