"""The JSON shapes of the worker protocol, shared by the server and the client. This package contains types only and
imports nothing but the standard library, because the client runs on machines without compiled libraries."""
