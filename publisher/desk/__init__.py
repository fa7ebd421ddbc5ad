"""The editor's side of the write API: a folder of Markdown files, an outbox that keeps what cannot be sent yet."""
