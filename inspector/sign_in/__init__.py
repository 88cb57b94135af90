"""Users who sign in elsewhere: through a proxy. Their rights come from their groups."""
