"""A process dies at every named point of both roads, is started again, and nothing is lost, doubled or left over."""
