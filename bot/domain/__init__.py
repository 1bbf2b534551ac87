"""The words of the house as types. Pure: no I/O, no clock, no framework."""
