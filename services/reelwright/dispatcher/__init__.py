"""Hands frame batches to whichever worker asks for work, and sees to it that each one comes back."""
