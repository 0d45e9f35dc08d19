"""The sources that prompts come from, and how the texts are taken out of them."""
