"""What is compared: a run's figures by cell, kept as a baseline, and what makes two comparable."""
