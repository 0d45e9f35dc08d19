"""Wire dialects. A dialect is pure: it makes a request's body, and reads facts out of bytes."""
