"""Windows: what was admitted and still counts under the policy's limits and totals, and deciding beside it."""
