"""Asks the dispatcher for batches, restores them, and puts them on the bus."""
