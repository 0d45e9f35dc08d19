"""The plan of a load: who sends which prompt when, drawn from the seed and dealt to the workers."""
