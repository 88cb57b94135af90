"""An HTTP client for servers whose answers may be malformed."""
