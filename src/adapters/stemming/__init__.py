"""Words cut to their stems, here and not in the database."""
