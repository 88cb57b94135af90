"""hookline.toml and the environment, read and checked into settings."""
