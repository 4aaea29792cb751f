"""One operator question per module, answered as a value. They print nothing."""
