"""What is kept of a repeat's requests, small enough for a page, whatever the number of requests."""
