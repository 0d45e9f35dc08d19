"""Questions to a server outside the timed window: is it up, can it generate, what does it count."""
