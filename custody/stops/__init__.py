"""Stops: which client, vault or asset may not be paid out of now, or that nothing may, why, and since when."""
