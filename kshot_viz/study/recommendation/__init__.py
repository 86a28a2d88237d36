"""Which method to take for k images a class, and how accurate it will be."""
