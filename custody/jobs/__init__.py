"""Jobs: many addresses asked for at once and handed out piece by piece, so that no call waits for all of them."""
