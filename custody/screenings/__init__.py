"""Screenings: what pinned services found of destinations, signed and kept for ever."""
