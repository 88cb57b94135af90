"""The e-mail channel: messages, addresses, headers and SMTP connections."""
