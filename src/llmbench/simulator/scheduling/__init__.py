"""When tokens leave: the schedules of the simulated server, and what it knows of each request."""
