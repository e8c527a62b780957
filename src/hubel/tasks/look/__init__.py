"""Looking inside a network: `eye.look` opens it, and each instrument has a file."""
