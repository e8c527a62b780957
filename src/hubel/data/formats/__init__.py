"""Where labelled images lie: one file a format."""
