"""Who owns the keys of a namespace, and what other programs left in them."""
