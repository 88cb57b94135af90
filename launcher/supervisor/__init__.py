"""Child processes: started, restarted, reloaded and stopped in order."""
