"""Charts of what a longer context costs: by turns of conversations, and by depth."""
