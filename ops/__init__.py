"""What a monitoring system loads: alert rules and dashboards, made of the table of metrics by ``python -m ops``."""
