"""The addresses from which Voucherify sends webhooks.

docs.voucherify.io, "Webhooks v2024-01-01", IP whitelisting: fixed addresses, by the region of the project.
"""

ADDRESSES = {
    "eu1": ("34.247.197.22", "63.32.191.141", "52.215.148.84"),
    "us1": ("100.25.106.67", "18.209.236.215", "34.192.255.99"),
    "as1": ("52.76.98.82", "54.169.8.101", "13.214.87.160"),
}
"""IPv4 addresses of each region, by its name."""
