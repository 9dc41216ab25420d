"""Rows that become tasks, written in the same unit as the facts. Postgres is the truth, the broker a doorbell.

A row stays until the task it became marks it done in its own unit. The relay leases a row while it is on
the broker and publishes it again when the lease runs out, so a lost or flushed message costs a lease.
"""
