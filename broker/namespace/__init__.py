"""The owner of the keys of a namespace, and the values of other programs that were found in them."""
