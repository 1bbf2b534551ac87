"""Local fakes of the platforms, stricter than the real ones, with knobs for faults; for the demo and for tests."""
