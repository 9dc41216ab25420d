"""Notices: an operator who is not looking is told, by mail or signed webhook, that something waits for his verdict."""
