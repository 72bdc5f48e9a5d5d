"""The panels around the picture. Each shows events and sends what the operator did as a signal; none decides."""
