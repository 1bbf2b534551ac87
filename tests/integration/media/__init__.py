"""Attachments from platform to page."""
