"""All that is timed: sockets, kernel stamps, TLS, and the poll that calls the readers."""
