"""A trained network as one file; weights and networks of others come in here."""
