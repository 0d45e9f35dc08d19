"""A module for each tool: what its file says, as measurements."""
