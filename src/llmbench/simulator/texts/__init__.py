"""What the simulated model is told and what it says."""
