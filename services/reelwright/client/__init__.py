"""Submitting titles and asking about them: the command line, the controller and an API call this."""
