"""Film tools of others that need a newer Python than this project: their interpreter, packages and scripts."""
