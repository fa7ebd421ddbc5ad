"""Routes, one module for each resource: decode, one call, encode."""
