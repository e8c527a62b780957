"""Networks side by side: the facts that are compared, as text, JSON and a figure."""
