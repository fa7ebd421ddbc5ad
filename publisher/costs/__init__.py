"""What a month costs, computed from the site's real bytes, the readers expected, and a file of list prices."""
