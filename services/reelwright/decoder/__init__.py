"""Turns titles into shot-aligned segments of frame batches and publishes them."""
