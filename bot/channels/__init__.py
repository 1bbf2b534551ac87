"""Platforms we talk on: each folder verifies and parses what comes in, and sends what goes out."""
