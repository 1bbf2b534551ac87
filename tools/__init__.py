"""Steps of the build; run by the Makefile, never shipped."""
