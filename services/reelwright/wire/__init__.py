"""The wire format: modules that `make protos` generates from protos/ (do not edit them), and the protocol's version."""

PROTOCOL = 1
"""Version of the protocol between worker and dispatcher (`Hello.protocol`); both sides must have the same.

Raised when one side would misread the other. New fields alone do not raise it.
"""
