"""The one road onto a chain: coins reserved, attempts composed, sent, observed and replaced.

A spend is named by the withdrawal it pays. Its attempts all share an input, so at most one can confirm (I6).
"""
