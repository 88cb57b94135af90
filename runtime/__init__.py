"""What several parts need and none owns: ids, task cancellation, client addresses, safe text, dry-run results."""
