"""Who sends which prompt when: drawn once from the seed, then dealt to the workers."""
