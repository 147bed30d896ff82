"""General-purpose machine learning as programs: one file an algorithm."""
