"""AdaFilter: for every image, each channel comes from a frozen filter or from one that trains."""
