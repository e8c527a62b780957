"""Steps to a torch module: building it, initialising it, loading weights into it; and any module to steps."""
