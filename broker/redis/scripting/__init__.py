"""Lua scripts with named keys and arguments: how they are declared, checked, made and run."""
