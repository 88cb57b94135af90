"""What Voucherify's own schema declares."""
