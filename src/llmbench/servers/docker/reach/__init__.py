"""How the engine and its containers are reached: directly, through SSH, from another container."""
