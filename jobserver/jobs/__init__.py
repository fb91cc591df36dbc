"""The verbs on jobs and lists. Each is one transaction; none knows HTTP, SQL text or a page."""
