"""What people and programs are shown: one view of each thing, for the API, the console and the command line.

Amounts are decimal strings with base units beside them; times are UTC with ``Z``. Nothing here decides or writes.
"""
