"""Parts that the modules of several providers are built of."""
