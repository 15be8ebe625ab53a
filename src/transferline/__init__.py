"""Retrains image classifiers by transfer learning, again and again, on a schedule."""
