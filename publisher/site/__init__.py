"""Which pages there are, and their bytes: pure functions from content to artifacts."""
