"""Handlers, each with fakes of its ports."""
