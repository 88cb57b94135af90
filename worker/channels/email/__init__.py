"""The e-mail channel: message, addresses, headers, SMTP connections."""
