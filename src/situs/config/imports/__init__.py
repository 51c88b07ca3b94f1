"""What another gateway was configured to do, as a configuration for Situs."""
