"""Closed and open loop on one event loop: lanes of requests, turns, time-outs."""
