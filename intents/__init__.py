"""What we understand: the training data and the recogniser that learns from it."""
