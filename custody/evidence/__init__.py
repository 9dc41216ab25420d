"""What a signature can prove: requests, intents, approvals, the trust root and the bundle a cosigner checks.

Pure: values in, verdicts out. The daemon and the cosigner's own program read the same code, and the
cosigner reads nothing else of the daemon's.
"""
