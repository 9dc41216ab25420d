"""What came astray to an address of ours on another chain is sent on, by an intent that people approve.

No ledger ever held it, so nothing is posted: a return is kept beside the stray it names, for ever.
"""
