"""Evaluation: metrics with intervals, pictures and the leaderboard."""
