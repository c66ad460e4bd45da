"""Draws the pictures of docs/gallery.md and writes the page: `make gallery`."""
