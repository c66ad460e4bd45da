"""Reassembles restored batches into encoded segments, commits them, and assembles finished films."""
