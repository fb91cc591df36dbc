"""What the project costs, measured: python -m bench.<name>."""
