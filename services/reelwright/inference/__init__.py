"""Takes batches from the dispatcher, restores them, and publishes them on the bus."""
