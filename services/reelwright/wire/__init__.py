"""The wire: modules generated from protos/ by `make protos`, which are not to be edited, and its version."""

PROTOCOL = 1
"""Version of the conversation between worker and dispatcher (`Hello.protocol`); both must speak the same.

Raised when one side would misread the other; new fields alone do not raise it.
"""
