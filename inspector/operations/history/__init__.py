"""The history of events: finding events, and erasing those of a person."""
