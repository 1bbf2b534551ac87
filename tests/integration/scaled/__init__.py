"""Web processes that ring and workers that answer, over PostgreSQL and Redis."""
