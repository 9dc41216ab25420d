"""What on-call sees: readings of the database and the nodes as metrics, readiness, traces. It decides nothing."""
