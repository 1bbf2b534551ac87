"""Messenger and Instagram: one messaging platform of Meta under two names."""
