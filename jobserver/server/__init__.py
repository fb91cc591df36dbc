"""Runs the server: settings, processes, web servers, background work, commands. It handles no requests."""
