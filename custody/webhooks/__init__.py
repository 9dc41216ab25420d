"""Webhooks: events pushed to addresses that receivers named, signed, in order per object, until they are taken."""
