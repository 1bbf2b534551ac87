"""What we remember: tables, units of work, migrations."""
