"""Networks side by side: what they are compared by, as text and JSON, as a figure."""
