"""From images to what a network takes."""
