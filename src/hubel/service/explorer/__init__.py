"""The explorer: a page on which one walks through one's own network, and the API behind it."""
