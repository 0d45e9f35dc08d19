"""The texts of traffic: conversations, shared prefixes and requests to be replayed."""
