"""Judging: the facts of what moves money, put together once for every room, and the statements that prove them."""
