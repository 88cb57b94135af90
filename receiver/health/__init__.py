"""What the receiver reports about itself: /healthz, /readyz, /metrics, rejections."""
