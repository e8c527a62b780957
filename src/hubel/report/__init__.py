"""Numbers and arrays to text, Markdown, JSON, figures, HTML: the only place a number becomes a string."""
