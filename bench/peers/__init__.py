"""Other systems that hand out jobs, each used as its documentation recommends where throughput counts."""
