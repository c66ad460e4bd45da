"""The wire format: modules that `make protos` generates from protos/ (do not edit them), and the protocol's version."""

PROTOCOL = 1
"""Version of the protocol between worker and dispatcher (`Hello.protocol`). `titles.versions` says what may change."""
