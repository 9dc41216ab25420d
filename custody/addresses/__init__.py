"""Addresses: derived ahead of need by two independent routes, sealed, handed out once, watched for ever."""
