"""Where prompts come from, and how their texts are taken out of it."""
