"""Letters with marks: which are trained on, and which are held out."""
