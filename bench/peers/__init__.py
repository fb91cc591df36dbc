"""Other job queues, each used as its documentation recommends for throughput."""
