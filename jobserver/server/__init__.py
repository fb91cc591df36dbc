"""Runs the server: settings, processes, web servers, background work, commands. Requests are handled elsewhere."""
