"""What figures and pictures of trainings and evaluations share."""
