"""Webhooks: what happened to publishes is told to addresses that administrators named, signed, until it is heard."""
