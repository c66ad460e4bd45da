"""Scripts that the Makefile and the tests run."""
