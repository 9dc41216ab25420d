"""After a restore: what was in stock is burned, what was forgotten is watched, and nothing is spent until it is read.

A restored database has forgotten the addresses it showed and the payments it made. The chain has not. So whoever
starts on one (``operations.notice``) stops composing, sending and handing out, derives what may have been shown
since the backup, reads the chain again (``replay``) and goes on only when the books agree with the node.
"""
