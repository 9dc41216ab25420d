"""The trust root and the policy in force, as the daemon carries them. A document proves itself by its signatures."""
