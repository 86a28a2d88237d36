"""What a comparison found: differences, whether they are robust, and which neurons are alike."""
