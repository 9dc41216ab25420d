"""Bundles waiting for keys: who was given what, who signed, who refused. No key is here."""
