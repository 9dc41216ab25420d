"""Measurements: ours beside the peers, in one run, printed as ratios. ``python -m benchmarks [--quick]`` runs all."""
