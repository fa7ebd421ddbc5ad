"""The write API: the HTTP face of publisher.content."""
