"""Who is who? The key that signs receipts, and the public keys that check them."""
