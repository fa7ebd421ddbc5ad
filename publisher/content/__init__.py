"""What was said: reviews, products, editors, and the log of every change."""
