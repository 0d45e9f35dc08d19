"""What a session ends with in a terminal: the table of cells, and what was found."""
