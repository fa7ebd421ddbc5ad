"""An offline-first, edge-cached static content publisher."""
