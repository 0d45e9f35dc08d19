"""Replays traffic on many replicas of a twin in virtual time, ten million requests in a minute."""
