"""The console: pages for agents, managers and admins, rendered on the server."""
