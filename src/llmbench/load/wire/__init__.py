"""The timed window: sockets, kernel stamps, TLS, and the poll that calls the readers."""
