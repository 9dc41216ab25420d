"""Rotation: what is still under older keysets, and how it gets to the newest by sweeps in the normal queue."""
