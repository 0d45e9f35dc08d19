"""What comes out of the benchmarks: views of the runs, and baselines."""
