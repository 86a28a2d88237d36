"""Tables, sentences and the HTML report of a comparison."""
