"""The self-contained HTML page of a run, of several runs, and of a comparison."""
