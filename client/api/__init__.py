"""JobClient: a method for each route of the server, with typed responses.

What a worker does with its jobs belongs to `worker`; how a request travels belongs to `http`.
"""
