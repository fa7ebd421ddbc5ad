"""Schemathesis against a running server: what it is given, how it is run, what it finds."""
