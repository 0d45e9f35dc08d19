"""The end of a session in a terminal: the table of cells, and the findings beyond it."""
