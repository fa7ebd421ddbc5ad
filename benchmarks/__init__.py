"""Measurements of the publisher, beside Hugo and rclone where they do the same work."""
