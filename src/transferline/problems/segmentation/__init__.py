"""Problems in which each pixel of an image has one class."""
