"""The HTTP door: reads what came, opens one unit, makes one domain call, and says what happened."""
