"""Problems in which an image has any number of labels."""
