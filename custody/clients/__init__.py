"""Clients: whose assets are in custody, how they are segregated, and whether they are frozen."""
