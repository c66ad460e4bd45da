"""Reelwright: film restoration as streaming microservices."""

__version__ = "0.1.0"
