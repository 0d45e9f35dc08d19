"""The closed and the open loop on one event loop, with lanes of requests, turns and time-outs."""
