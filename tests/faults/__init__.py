"""What the parts under the daemon do to it: they vanish, forget, repeat themselves, answer late or not at all."""
