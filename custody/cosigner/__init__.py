"""The keyholder's own program: bundle → verify → show → sign.

It trusts nobody in this house. What it believes is in the trust root it pinned, in the bundle's signatures and in
its own memory; it never reads the daemon's database, queue or word. Installed alone, it needs neither of them.
"""
