"""Replays: which signed calls came already, remembered for as long as they would still be fresh."""
