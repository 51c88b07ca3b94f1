"""What is out there, and how is it? One immutable view, published whole."""
