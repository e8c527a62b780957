"""The papers' networks, a page each."""
