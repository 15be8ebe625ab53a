"""Problems in which an image has exactly one label: binary and multiclass."""
