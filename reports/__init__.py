"""What comes out: views of the runs, and baselines."""
