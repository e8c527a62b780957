"""`hubel look MODEL INSTRUMENT ...`: one file an instrument; each parses, calls its method and prints."""
