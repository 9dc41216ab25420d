"""Intents waiting for people. Knows subjects only by kind, id and digest, and what the policy asked for."""
