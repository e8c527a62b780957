"""What a run is asked for: values, read from TOML and written back."""
