"""Two networks against each other: which layers differ, as text and as JSON."""
