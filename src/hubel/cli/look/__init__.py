"""`hubel look MODEL INSTRUMENT ...`: one file per instrument; each parses, calls its method and prints."""
