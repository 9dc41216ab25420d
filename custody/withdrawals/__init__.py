"""Withdrawals: one client's money leaves once, to where its requester said, after the people the policy asks."""
