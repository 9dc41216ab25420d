"""What the HTTP door decides without a house."""
