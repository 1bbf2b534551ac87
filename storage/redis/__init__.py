"""What processes share over Redis: bells, live events, rates, tokens. Never the only copy of anything.

Needs the extra ``scale``; nothing here is imported where ``redis.url`` is not set.
"""
