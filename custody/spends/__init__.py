"""The one road onto a chain: claims reserved, attempts composed, sent, observed and replaced.

A spend is named by the withdrawal it pays. Its attempts all share a claim, so at most one can confirm (I6).
"""
