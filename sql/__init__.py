"""Every SQL statement, as data: numbered migrations and named, commented queries."""
